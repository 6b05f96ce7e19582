"""OCT volumes as lists to train, validate and test on, split by patient and stratified by vendor."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.layout import CLASSES
from scripts.parts import check_known, choose_labelled, fold_of, hold_out
from scripts.volumes import Item, read_volumes
from shared.data.volume_cache import read_label
from shared.data.volume_file import VolumeFile
from shared.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"


def make_datalist(
    dataset_dir: str | Path,
    *,
    unlabelled_dir: str | Path = "",
    labelled_fraction: float = 1.0,
    validation_fraction: float = 0.2,
    split_seed: int = 0,
    fold: int = -1,
    num_folds: int = 5,
    always_training: Sequence[str] = (),
    leave_out_vendor: str = "",
    num_classes: int = 4,
) -> dict[str, list[Item]]:
    """Make the lists ``labelled``, ``unlabelled``, ``validation`` and ``test``; the first two are trained on.

    1. Volumes of ``leave_out_vendor`` become the test set (empty otherwise) and are trained on in no way. 2. Patients
    with labels are held out for validation. 3. Of the labelled volumes that are left, ``labelled_fraction`` of each
    vendor's keep their labels, the others become unlabelled: their labels are never read. 4. Volumes without a
    reference are unlabelled, and so is everything in ``unlabelled_dir``.

    Held-out patients are the same for every ``labelled_fraction``, and the labels of a small fraction are among those
    of a larger one.

    Args:
        dataset_dir: volumes in a layout of `scripts.layout.LAYOUTS`.
        unlabelled_dir: more volumes, whose references, if any, are not read; "" for none.
        labelled_fraction: of the labelled training volumes of each vendor, above 0 up to 1, rounded.
        validation_fraction: of the patients with labels, 0..1; used where ``fold`` is -1.
        split_seed: which patients and volumes.
        fold: validate on this one of ``num_folds`` parts (by patient), from 0; -1: one plain split.
        always_training: patients that are never held out, such as those of whom there are unlabelled scans. Their
            labels are the first that ``labelled_fraction`` keeps.
        leave_out_vendor: vendor to test on; "" for none.
        num_classes: with the background.

    Raises:
        DataError: see `read_volumes`; no labels; labels that are no class, where they are met while looking for all of
            them; or unlabelled scans of a held-out patient (leakage).
        ConfigError: keys that do not fit the data, see `scripts.parts`.
    """
    if num_classes < 2:
        raise ConfigError(
            f"num_classes {num_classes}", expected="at least 2, with the background", fix="correct the key"
        )
    volumes = read_volumes(dataset_dir)
    more = read_unlabelled(dataset_dir, unlabelled_dir)
    check_known("always_training", always_training, {volume["patient"] for volume in volumes})
    check_known("leave_out_vendor", [leave_out_vendor] if leave_out_vendor else [], {v["vendor"] for v in volumes})
    test = [volume for volume in volumes if volume["vendor"] == leave_out_vendor]
    rest = [volume for volume in volumes if volume["vendor"] != leave_out_vendor]
    more = [volume for volume in more if volume["vendor"] != leave_out_vendor]
    labelled = [volume for volume in rest if volume["label"]]
    _need_labels(dataset_dir, labelled)
    if fold >= 0:
        held = fold_of(labelled, always=always_training, fold=fold, num_folds=num_folds, seed=split_seed)
    else:
        held = hold_out(labelled, always=always_training, fraction=validation_fraction, seed=split_seed)
    _refuse_leaks(unlabelled_dir, more, held | {volume["patient"] for volume in test})
    training = [volume for volume in rest if volume["patient"] not in held]
    _report_dropped(rest, test, held)
    keep = choose_labelled(
        [volume for volume in training if volume["label"]],
        fraction=labelled_fraction,
        first=always_training,
        seed=split_seed,
    )
    lists = {
        "labelled": [volume for volume in training if volume["name"] in keep],
        "unlabelled": [volume | {"label": ""} for volume in training if volume["name"] not in keep] + more,
        "validation": [volume for volume in labelled if volume["patient"] in held],
        "test": [volume for volume in test if volume["label"]],
    }
    _report_counts(lists, volumes)
    if absent := absent_classes(lists["labelled"], num_classes=num_classes):
        logger.warning(
            "RETOUCH: no labelled B-scan has %s: it cannot be learned; choose another split_seed or a larger "
            "labelled_fraction",
            ", ".join(absent),
        )
    return lists


def absent_classes(labelled: Sequence[Item], *, num_classes: int) -> list[str]:
    """Classes that no reference has, such as ``class 2 (SRF)``; reads until all have been seen.

    Raises:
        DataError: a label that is no class.
    """
    missing = set(range(1, num_classes))
    for volume in labelled:
        with VolumeFile(volume["label"], label=True, allow_gaps=True) as reference:
            for place in range(reference.num_slices):
                if not missing:
                    return []
                missing -= set(np.unique(read_label(reference, place, num_classes=num_classes)).tolist())
    names = dict(enumerate(CLASSES, start=1)) if num_classes == len(CLASSES) + 1 else {}
    return [f"class {number}" + (f" ({names[number]})" if number in names else "") for number in sorted(missing)]


def read_unlabelled(dataset_dir: str | Path, unlabelled_dir: str | Path) -> list[Item]:
    """The volumes of ``unlabelled_dir``, under names of their own, without labels.

    Raises:
        DataError: see `read_volumes`.
        ConfigError: it is the data set itself.
    """
    if not str(unlabelled_dir):
        return []
    folder = Path(unlabelled_dir).expanduser()
    if folder.resolve() == Path(dataset_dir).resolve():
        raise ConfigError(
            f"unlabelled_dir {unlabelled_dir} is the data set itself",
            expected="another folder",
            fix="leave unlabelled_dir empty: volumes without reference, and those beyond labelled_fraction, are used",
        )
    volumes = read_volumes(folder)
    return [volume | {"name": f"{UNLABELLED}/{volume['name']}", "label": ""} for volume in volumes]


def _need_labels(dataset_dir: str | Path, labelled: Sequence[Item]) -> None:
    if not labelled:
        raise DataError(
            f"no volume in {dataset_dir} to train or validate on has a reference",
            expected="labelled volumes",
            fix="add references; scans without go into --unlabelled_dir",
        )


def _refuse_leaks(unlabelled_dir: str | Path, more: Sequence[Item], held: set[str]) -> None:
    leaking = sorted({volume["patient"] for volume in more} & held)
    if leaking:
        listed = ",".join(f"'{patient}'" for patient in leaking)
        raise DataError(
            f"{unlabelled_dir} holds scans of patients who are validated or tested on: {', '.join(leaking)}",
            expected="unlabelled scans of training patients only: others leak, whichever B-scans they are",
            fix=f'keep them in training with --always_training "[{listed}]", or take their scans out',
        )


def _report_dropped(rest: Sequence[Item], test: Sequence[Item], held: set[str]) -> None:
    bare = [volume["name"] for volume in rest if not volume["label"]]
    if bare:
        logger.info("RETOUCH: %d volumes have no reference and count as unlabelled: %s", len(bare), _some(bare))
    if dropped := [volume["name"] for volume in rest if not volume["label"] and volume["patient"] in held]:
        logger.info("RETOUCH: of these, %s are of validation patients and not used", _some(dropped))
    if useless := [volume["name"] for volume in test if not volume["label"]]:
        logger.info("RETOUCH: without reference nothing can be tested on %s", _some(useless))


def _report_counts(lists: dict[str, list[Item]], volumes: Sequence[Item]) -> None:
    for part, members in lists.items():
        vendors = Counter(volume["vendor"] for volume in members)
        counts = ", ".join(f"{vendor} {count}" for vendor, count in sorted(vendors.items()))
        bscans = sum(volume["num_slices"] for volume in members)
        logger.info("RETOUCH: %s: %d volumes%s, %d B-scans", part, len(members), f" ({counts})" * bool(counts), bscans)
    given = {volume["vendor"] for volume in [*lists["labelled"], *lists["validation"]]}
    for vendor in sorted(given - {volume["vendor"] for volume in lists["labelled"]}):
        logger.warning("RETOUCH: all labelled volumes of %s are held out: it is trained on without labels", vendor)
    if nominal := [volume["name"] for volume in volumes if not volume["physical"]]:
        logger.info("RETOUCH: no spacing in mm for %s: volumes are given in voxels", _some(nominal))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
