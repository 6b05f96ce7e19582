"""One photograph's measures, of the model and of its readers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.agreement import agreement
from scripts.entry import CUP, DISC
from scripts.masks import read_label, read_view
from scripts.rim import vertical_ratio
from scripts.segmented import Segmented, masks_of_label
from shared.draw.panels import Comparison
from shared.errors import ConfigError
from shared.report.findings import find_disc, touches_border

MODEL = "model"
LONGEST = 480
MARGIN = 0.6
Mask = NDArray[np.bool_]
Masks = dict[str, Mask]


class Scored(NamedTuple):
    """What is kept of one photograph; no maps.

    ``values``: by comparison (`MODEL`, "model against expert1", "expert1 against expert2", ...), by (class, measure).
    ``facts``: columns of ``per_photograph.csv``. ``person``: photographs of one person have the same.
    """

    name: str
    data_set: str
    person: str
    phantom: bool
    values: dict[str, dict[tuple[str, str], float]]
    facts: dict[str, Any]
    comparison: Comparison | None

    @property
    def mean_dice(self) -> float:
        """Of the model, over classes; what photographs are ranked by."""
        return float(np.mean([value for (_, measure), value in self.values[MODEL].items() if measure == "dice"]))


def score(
    batch: Mapping[str, Any],
    found: Segmented,
    *,
    classes: Sequence[str],
    readers: Mapping[str, Mapping[str, str]] | None = None,
    picture: bool = True,
) -> Scored:
    """Measure one photograph against its truth, against each of its readers, and these against each other.

    Args:
        batch: of the evaluator, decollated: ``native_label`` [1,H,W], ``path``, ``data_set``, ``phantom`` and
            the rest of an item of `gather`.
        found: masks [H,W].
        classes: of the network; those without a mask file (``batch["cup"]`` is "") are not measured.
        readers: mask files by expert and kind.
        picture: keep a small copy of the disc's surroundings.

    Raises:
        ConfigError: masks of another size than the truth.
    """
    label_HW = np.asarray(torch.as_tensor(batch["native_label"]).cpu())[0]
    size = (label_HW.shape[0], label_HW.shape[1])
    if found.masks[DISC].shape != size:
        raise ConfigError(
            f"{batch['path']}: predicted masks are {found.masks[DISC].shape}, the photograph's view {size}",
            expected="`pred` at the photograph's own size",
            fix="put `shared.transforms.RestorePhotographd` into the post-processing",
        )
    known = [name for name in classes if batch.get(name, True)]
    truth = {name: mask_HW for name, mask_HW in masks_of_label(label_HW, classes).items() if name in known}
    values = {MODEL: agreement(found.masks, truth)}
    outlined = {name: _read(batch, kinds, known, size) for name, kinds in (readers or {}).items()}
    for name, masks in outlined.items():
        values[f"{MODEL} against {name}"] = agreement(found.masks, masks)
    for one, other in itertools.combinations(outlined, 2):
        values[f"{one} against {other}"] = agreement(outlined[one], outlined[other])
    data_set = str(batch["data_set"])
    return Scored(
        name=str(batch["name"]),
        data_set=data_set,
        person=f"{data_set}/{batch['group']}" if "group" in batch else str(batch["name"]),
        phantom=bool(batch["phantom"]),
        values=values,
        facts=_facts(batch, found, truth),
        comparison=_compare(batch, found.masks, truth) if picture else None,
    )


def _read(batch: Mapping[str, Any], kinds: Mapping[str, str], known: Sequence[str], size: tuple[int, int]) -> Masks:
    rule, stereo = str(batch["rule"]), bool(batch["stereo"])
    return {
        kind: read_label(kinds[kind], kind=kind, rule=rule, size=size, stereo=stereo) for kind in known if kind in kinds
    }


def _facts(batch: Mapping[str, Any], found: Segmented, truth: Masks) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": str(batch["path"]), "view": "left of two" if batch.get("stereo") else "whole"}
    for kind, masks in (("true", truth), ("found", found.masks)):
        disc = find_disc(masks[DISC])
        facts |= {
            f"{kind}_diameter_px": None if disc is None else round(disc.diameter_px, 1),
            f"{kind}_disc_px": int(np.count_nonzero(masks[DISC])),
            f"{kind}_touches_border": touches_border(masks[DISC]),
        }
        if CUP in masks:
            facts[f"{kind}_cup_px"] = int(np.count_nonzero(masks[CUP]))
            facts[f"{kind}_vertical_cup_to_disc"] = vertical_ratio(masks[DISC], masks[CUP])
    return facts | {f"{name}_removed_px": number for name, number in found.removed_px.items()}


def _compare(batch: Mapping[str, Any], found: Masks, truth: Masks) -> Comparison:
    photo_HW3 = read_view(batch["path"], stereo=bool(batch.get("stereo"))).pixels_HW3
    rows, columns = (np.flatnonzero((found[DISC] | truth[DISC]).any(axis)) for axis in (1, 0))
    true_disc = find_disc(truth[DISC])
    margin = round(MARGIN * (true_disc.diameter_px if true_disc is not None else 0))
    window = tuple(
        slice(max(0, int(places[0]) - margin), int(places[-1]) + 1 + margin) if len(places) else slice(None)
        for places in (rows, columns)
    )
    cut = {kind: {name: masks[name][window] for name in truth} for kind, masks in (("found", found), ("true", truth))}
    return Comparison(str(batch["name"]), photo_HW3[window], cut["found"], cut["true"]).shrunk(LONGEST)
