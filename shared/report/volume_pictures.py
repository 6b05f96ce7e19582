"""Small copies of B-scans for figures, and the figures of an evaluation on volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from shared.draw.bscans import BScanPicture, draw_bscan
from shared.draw.curves import draw_precision_recall
from shared.draw.overlay import fitted_size
from shared.draw.volumes import draw_score_boxes, draw_volume_agreement
from shared.metrics import volumes
from shared.metrics.bscan_outcome import BScanOutcome, restore
from shared.metrics.histogram import LEVELS, average_precision, precision_recall
from shared.metrics.volumes import count_classes, measured
from shared.report.files import safe_name
from shared.report.table import number
from shared.report.volume_measures import VolumeCounts

if TYPE_CHECKING:
    from shared.handlers.volume_report import VolumeReport

LONGEST = 320


def picture_of(
    outcome: BScanOutcome, predicted: Mapping[str, npt.NDArray[np.uint8]], *, classes: Sequence[str]
) -> BScanPicture:
    """A B-scan for showing, longer side at most 320 pixels; scores are those of this B-scan at its own size.

    Args:
        outcome: of a labelled B-scan.
        predicted: classes [H, W] at its own size, by name of prediction.
        classes: names of classes 1..K-1.
    """
    assert outcome.truth_HW is not None
    size = fitted_size(outcome.native_size, LONGEST)
    rows = (np.arange(size[0]) + 0.5) * outcome.native_size[0] / size[0]
    columns = (np.arange(size[1]) + 0.5) * outcome.native_size[1] / size[1]
    places = np.ix_(rows.astype(int), columns.astype(int))
    scan_hw = np.zeros(size, np.float32)
    if outcome.image_hw is not None:
        scan_hw = restore(torch.from_numpy(np.ascontiguousarray(outcome.image_hw))[None], size)[0].numpy()
    scores = {}
    for name, labels_HW in predicted.items():
        confusion_KK = count_classes(outcome.truth_HW, labels_HW, num_classes=len(classes) + 1)
        scores[name] = scores_text(confusion_KK, classes)
    return BScanPicture(
        name=f"{outcome.volume}, B-scan {outcome.number}",
        scan_HW=as_bytes(scan_hw),
        truth_HW=outcome.truth_HW[places].copy(),
        predicted={name: labels_HW[places].copy() for name, labels_HW in predicted.items()},
        probabilities={name: as_bytes(restore(maps, size).cpu().numpy()) for name, maps in outcome.predictions.items()},
        scores=scores,
    )


def scores_text(confusion_KK: npt.NDArray[np.int64], classes: Sequence[str]) -> str:
    """Such as ``IRF Dice 0.61 IoU 0.44   SRF absent in both``."""
    parts = []
    for position, fluid in enumerate(classes, start=1):
        own = measured(confusion_KK[None], np.zeros((1, len(classes))), position)
        dice, iou = float(volumes.dice(own)[0]), float(volumes.iou(own)[0])
        parts.append(f"{fluid} " + (f"Dice {dice:.2f} IoU {iou:.2f}" if dice == dice else "absent in both"))
    return "   ".join(parts)


def as_bytes(values: npt.NDArray) -> npt.NDArray[np.uint8]:
    """0..1 as 0..255."""
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def mean_dice(counts: VolumeCounts) -> float:
    """Over the fluids for which it is defined; NaN where the volume has none and none was found."""
    score_F = np.zeros((1, len(counts.confusion_KK) - 1))
    fluids = range(1, len(counts.confusion_KK))
    return float(
        volumes.mean_over([volumes.dice(measured(counts.confusion_KK[None], score_F, fluid))[0] for fluid in fluids])
    )


def draw_volume_evaluation(report: VolumeReport) -> None:
    """Scores per vendor and fluid, predicted against true volumes, precision and recall, and single B-scans."""
    folder, phantom = report.output_dir / "figures", bool(report.provenance.get("phantom"))
    names = list(report.seen)
    vendor_N = np.array([str(report.items[name]["vendor"]) for name in names])
    voxel_N = np.array(
        [np.nan if item.voxel_mm3 is None else item.voxel_mm3 for item in report.of(report.predictions[0])]
    )
    physical = not np.isnan(voxel_N).any()
    dices: dict[str, dict[str, dict[str, npt.NDArray]]] = {}
    agreement: dict[str, dict[str, tuple[npt.NDArray, npt.NDArray]]] = {}
    for position, fluid in enumerate(report.classes, start=1):
        for prediction in report.predictions:
            items = report.of(prediction)
            own = measured([item.confusion_KK for item in items], [item.score_F for item in items], position)
            for vendor in dict.fromkeys(vendor_N):
                by_vendor = dices.setdefault(fluid, {}).setdefault(vendor, {})
                by_vendor[prediction] = volumes.dice(own)[vendor_N == vendor]
            scale = voxel_N if physical else 1
            agreement.setdefault(fluid, {})[prediction] = own.truth * scale, own.predicted * scale
    title = f"Dice of volumes, split {report.split!r} (absent in truth and prediction: left out)"
    draw_score_boxes(dices, folder / "dice.png", title=title, phantom=phantom)
    unit = "mm^3" if physical else "voxels"
    draw_volume_agreement(agreement, folder / "volumes.png", unit=unit, phantom=phantom)
    pooled = {name: own for name, own in report.histograms.items() if own.positive.any()}
    if pooled:
        levels = np.unique(np.concatenate([np.linspace(0, 1, 2001), 1 - np.geomspace(1 / LEVELS, 1, 500)]))
        draw_precision_recall(
            {name: precision_recall(own, levels) for name, own in pooled.items()},
            folder / "precision_recall.png",
            average_precision={name: float(average_precision(own)) for name, own in pooled.items()},
            title=f"Precision and recall, voxels pooled over split {report.split!r}, {report.predictions[0]}",
            phantom=phantom,
        )
    _draw_bscans(report, phantom=phantom)


def _draw_bscans(report: VolumeReport, *, phantom: bool) -> None:
    folder = report.output_dir / "figures"
    for stale in folder.glob("bscan_*.png"):
        stale.unlink()
    score = {item.name: mean_dice(item) for item in report.of(report.predictions[0])}
    ranked = sorted((name for name in report.shown if score[name] == score[name]), key=lambda name: score[name])
    chosen = np.unique(np.linspace(0, len(ranked) - 1, min(report.pictures, len(ranked))).round().astype(int))
    for rank in chosen:
        name = ranked[rank]
        picture = report.shown[name][1]
        caption = f"(volume {len(ranked) - rank} of {len(ranked)} by mean Dice, {number(score[name], 2)})"
        order = {prediction: picture.predicted[prediction] for prediction in report.predictions}
        draw_bscan(
            picture._replace(caption=caption, predicted=order),
            folder / f"bscan_{safe_name(name)}.png",
            classes=report.classes,
            phantom=phantom,
        )
