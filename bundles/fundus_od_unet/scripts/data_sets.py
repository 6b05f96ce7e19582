"""What evaluation scores: a part of the model's own data set, and other data sets beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.datalist import Item, make_datalist
from scripts.entry import CUP, DISC
from scripts.phantoms import is_phantom
from scripts.sources import AUTO, read_source
from shared.data.splits import HELD_OUT, SPLIT_FILE, choose_split, load_split
from shared.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

ReaderMasks = dict[str, dict[str, dict[str, str]]]
FEWEST_READERS = 2
PHANTOM_SET = "phantoms"
CUT_FROM_ANOTHER = {"rim_one_dl": "rim_one_r3"}  # of r1, r2 and r3; readers are there for r3 alone


def gather(
    datalist: Mapping[str, list[Item]],
    *,
    split: str,
    ckpt_path: str | Path,
    dataset_dir: str | Path,
    data_sets: Mapping[str, str] | None = None,
    classes: Sequence[str] = (DISC,),
) -> list[Item]:
    """Items to score, each with ``data_set`` (its name in the report) and ``phantom``.

    Of the model's own data set the part ``split``; of every other one all photographs, whatever part its source has
    them in: the model was trained on none. Photographs that it was trained on are refused in all of them
    (`shared.data.splits.check_unseen`). Sources of which one is cut out of the other's photographs share eyes under
    other names and files; where the model was trained on one of them, or both are scored, the log warns.

    Args:
        datalist: of the model's own data set, as `make_datalist` made it.
        split: its part.
        ckpt_path: the model's weights, with its `split.json` beside them.
        dataset_dir: the own data set's folder.
        data_sets: others: name in the report -> folder; sources are recognised by their layout.
        classes: what the model finds; of a data set without cup masks the disc alone is scored.

    Raises:
        ConfigError: a name that is given twice, or folders without names.
        DataError: a folder of no known layout; photographs that the model was trained on.
    """
    _check_named(data_sets)
    own = choose_split(datalist=datalist, split=split, ckpt_path=ckpt_path, owner="person")
    phantom = is_phantom(Path(dataset_dir))
    name = PHANTOM_SET if phantom else str(own[0]["source"])
    items = [dict(item) | {"data_set": name, "phantom": phantom} for item in own]
    for other, folder in (data_sets or {}).items():
        if other == name:
            raise ConfigError(
                f"two data sets are called {other!r}: {dataset_dir} and {folder}",
                expected="a name of its own for each",
                fix="give the one in `data_sets` another name",
            )
        lists = make_datalist(folder, protocol="seeded", validation_fraction=0.0)
        together: list[Item] = [item for members in lists.values() for item in members]
        chosen = choose_split(datalist={"test": together}, split="test", ckpt_path=ckpt_path, owner="person")
        about = {"data_set": other, "phantom": is_phantom(Path(folder))}
        items += [dict(item) | about for item in chosen]
    scored = {str(item["source"]) for item in items if not item["phantom"]}
    _warn_of_shared_eyes(scored, _trained_on(Path(ckpt_path)))
    if CUP in classes and not any(item[CUP] for item in items):
        raise DataError(
            f"no photograph of {', '.join(dict.fromkeys(item['data_set'] for item in items))} has a mask of its cup",
            expected="cup masks for a model that finds the cup, in one data set at least",
            fix="add a data set that has them with --data_sets, or evaluate a model of the disc alone",
        )
    return items


def reader_masks(
    dataset_dir: str | Path, *, source: str = AUTO, data_sets: Mapping[str, str] | None = None
) -> ReaderMasks:
    """Mask files by photograph's file, expert and kind, of photographs that two experts or more have outlined.

    An average or a consensus is no expert.

    Raises:
        ConfigError: folders without names.
        DataError: a folder of no known layout.
    """
    _check_named(data_sets)
    masks: ReaderMasks = {}
    for folder, layout in ((str(dataset_dir), source), *((folder, AUTO) for folder in (data_sets or {}).values())):
        for entry in read_source(folder, source=layout).entries:
            experts = {
                reader: {kind: str(path) for kind, path in kinds.items()}
                for reader, kinds in sorted(entry.masks.items())
                if reader.startswith("expert") and DISC in kinds
            }
            if len(experts) >= FEWEST_READERS:
                masks[str(entry.image)] = experts
    return masks


def _trained_on(ckpt_path: Path) -> set[str]:
    """Sources of the real photographs that the model was trained on, as far as the files beside its weights tell."""
    split, about = ckpt_path.with_name(SPLIT_FILE), ckpt_path.with_name("model.json")
    if not split.is_file() or (about.is_file() and json.loads(about.read_text()).get("phantom")):
        return set()
    parts = load_split(split).parts.items()
    return {name.split("/")[0] for part, names in parts if part not in HELD_OUT for name in names}


def _warn_of_shared_eyes(scored: set[str], trained: set[str]) -> None:
    for cut, whole in CUT_FROM_ANOTHER.items():
        if {cut, whole} <= scored | trained and {cut, whole} & scored:
            logger.warning(
                "%s is cut out of photographs of %s, r1 and r2 under other names, and both are scored or were trained "
                "on: they share eyes, and results on eyes that the model was trained on are too good",
                cut,
                whole,
            )


def _check_named(data_sets: object) -> None:
    if data_sets is not None and not isinstance(data_sets, Mapping):
        raise ConfigError(
            f"data_sets is {data_sets!r}",
            expected="folders by the names that the report gives them",
            fix="for example --data_sets \"{'refuge':'/data/REFUGE'}\"",
        )
