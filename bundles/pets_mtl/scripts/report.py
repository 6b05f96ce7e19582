"""The report of an evaluation on pets: masks, classes and head boxes; the best and the worst images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scripts.box_measures import DEFINITIONS, box_rows, iou_of
from scripts.gallery import Gallery, Piece, draw_gallery
from scripts.names import answers_text, class_name, truth_text
from shared.data.photograph import read_photograph
from shared.draw.overlay import fitted_size, shrink_mask, shrink_photograph
from shared.handlers.evaluation_report import EvaluationReport, Kept
from shared.metrics.outcome import Outcome
from shared.report.evaluation import BOX_COLUMNS, CALIBRATION_COLUMNS
from shared.report.measures import Row
from shared.tasks import BOX, Task

HISTOGRAM_LEVELS = 4096
TABLES = {
    "Masks, original size": {
        "Dice per image": "dice_per_photograph",
        "IoU per image": "iou_per_photograph",
        "Dice pooled": "dice",
        "IoU pooled": "iou",
        "sensitivity": "sensitivity",
        "precision": "precision",
    },
    "Classes": {
        "accuracy": "accuracy",
        "balanced accuracy": "balanced_accuracy",
        "macro F1": "macro_f1",
        "joint accuracy": "joint_accuracy",
        "AUROC": "auroc",
    },
    "Head boxes, pixels of the original": BOX_COLUMNS,
    "Calibration": CALIBRATION_COLUMNS,
}
SHOWN_PX = 480


class PetReport(EvaluationReport):
    """`EvaluationReport` with head boxes; pictures are of whole animals, ``figures/best.png`` and ``worst.png``.

    Images are ranked by the mean of Dice of the mask, probability of the true class and IoU of the head box: those that
    are labelled for every task, if there are enough for both pictures, otherwise all, by what is known of each. The
    border policy is named with every number.

    Args:
        tasks: the task list.
        border: how the truth counts the trimap's border; see `scripts.trimap.pet_mask`.
        pictures: images in either picture; 0 for none.
        more: of `EvaluationReport`.
    """

    ordered: ClassVar[bool] = False
    definitions: ClassVar[Mapping[str, str]] = DEFINITIONS
    tables: ClassVar[Mapping[str, Mapping[str, str]] | None] = TABLES

    def __init__(
        self, tasks: Sequence[Mapping[str, Any] | Task], *, border: str, pictures: int = 4, **more: Any
    ) -> None:
        own: dict[str, Any] = {"levels": HISTOGRAM_LEVELS, "about": {"border": border}, "means": {}}
        super().__init__(tasks, pictures=pictures, **(own | more))
        # The mask is read at 0.5, as published and as it was validated: nothing is chosen.
        self.not_chosen = []
        self.phantom = bool(self.provenance.get("phantom"))
        self.galleries = {True: Gallery(pictures), False: Gallery(pictures)}

    def reset(self, engine: Any = None) -> None:
        super().reset(engine)
        self.galleries = {True: Gallery(self.pictures), False: Gallery(self.pictures)}

    def gather(self) -> None:
        super().gather()
        self.galleries = {complete: gallery.gathered() for complete, gallery in self.galleries.items()}

    def add(self, outcome: Outcome) -> None:
        super().add(outcome)
        kept = self.kept[-1]
        known = self.scores(kept)
        if known and self.figures and self.pictures:
            score = float(np.mean(list(known.values())))
            for complete, gallery in self.galleries.items():
                if not complete or len(known) == len(self.tasks):
                    gallery.offer(score, lambda: self._piece(outcome, known))

    def compare(self, outcome: Outcome, predicted: Mapping[str, npt.NDArray], truth: Mapping[str, npt.NDArray]) -> None:
        """Nothing: the galleries keep the pictures."""

    def is_labelled(self, outcome: Outcome) -> bool:
        return bool(self.known_tasks(outcome)) or self.iou(outcome) is not None

    def known_tasks(self, outcome: Outcome) -> list[str]:
        """Names of the mask and grade tasks that the image is labelled for."""
        return [
            task.name for task in self.tasks if outcome.labelled_T[self.tasks.index(task.name)] and task.kind != BOX
        ]

    def iou(self, outcome: Outcome) -> float | None:
        """Of the head box; None where none was predicted, or none is known."""
        if outcome.box_4 is None or outcome.true_box_4 is None:
            return None
        return iou_of(outcome.box_4, outcome.true_box_4)

    def scores(self, kept: Kept) -> dict[str, float]:
        """What images are ranked by: each 0..1, by name, as far as known."""
        scores = {f"Dice {name}": value for name, value in self.per_photograph_dice(kept).items()}
        scores |= {f"p({name})": value for name, value in self.true_probabilities(kept.outcome).items()}
        iou = self.iou(kept.outcome)
        return scores | ({} if iou is None else {"box IoU": iou})

    def true_probabilities(self, outcome: Outcome) -> dict[str, float]:
        """Probability of the true class by grade task, where it is known."""
        known = self.known_tasks(outcome)
        return {
            task.name: float(outcome.probabilities[task.name][outcome.grades_G[position]])
            for position, task in enumerate(self.tasks.grades)
            if task.name in known and task.name in outcome.probabilities
        }

    def measure(self, subset: str, where_N: npt.NDArray[np.bool_]) -> list[Row]:
        rows = super().measure(subset, where_N)
        ious = [self.iou(kept.outcome) for kept, inside in zip(self.kept, where_N, strict=True) if inside]
        known = [iou for iou in ious if iou is not None]
        name = next((task.name for task in self.tasks.boxes), "box")
        return rows + box_rows(known, task=name, subset=subset, samples=self.samples, seed=self.seed)

    def columns(self, kept: Kept) -> dict[str, Any]:
        outcome, iou = kept.outcome, self.iou(kept.outcome)
        row: dict[str, Any] = {f"{name}_p_true": value for name, value in self.true_probabilities(kept.outcome).items()}
        if outcome.box_4 is not None:
            row["box_iou"] = iou
            row |= _edges("box", outcome.box_4) | _edges("true_box", outcome.true_box_4)
        return row | self.about

    def class_names(self, task: str) -> list[str]:
        number = next(item.num_classes for item in self.tasks.grades if item.name == task)
        return [class_name(task, place, phantom=self.phantom) for place in range(number)]

    def draw_pictures(self, folder: Path) -> None:
        complete = self.galleries[True].offered >= 2 * self.pictures
        gallery = self.galleries[complete]
        facts = "".join(f", {key} {value}" for key, value in self.about.items())
        what = " labelled for every task" if complete else ""
        for name, pieces in gallery.lists().items():
            file = folder / f"{name}.png"
            file.unlink(missing_ok=True)
            if pieces:
                title = f"{name} of {gallery.offered} images{what}, split {self.split!r}{facts}"
                draw_gallery(pieces, file, title=title, phantom=self.phantom)

    def _piece(self, outcome: Outcome, known: Mapping[str, float]) -> Piece:
        whole = read_photograph(outcome.path, at_least=(SHOWN_PX, SHOWN_PX), upright=False)
        size = fitted_size((whole.pixels_HW3.shape[0], whole.pixels_HW3.shape[1]), SHOWN_PX)
        scale = np.array([size[1] / whole.full_size[1], size[0] / whole.full_size[0]] * 2)
        boxes = [None if box_4 is None else box_4 * scale for box_4 in (outcome.true_box_4, outcome.box_4)]
        truth, predicted = {}, {}
        for position, task in enumerate(self.tasks.masks):
            if outcome.truth_SHW is not None and outcome.scores_SHW is not None:
                truth[task.name] = shrink_mask(outcome.truth_SHW[position], size)
                predicted[task.name] = shrink_mask(outcome.scores_SHW[position] > self.thresholds[task.name], size)
        grades = {task.name: int(outcome.grades_G[position]) for position, task in enumerate(self.tasks.grades)}
        return Piece(
            name=outcome.name,
            photo_HW3=shrink_photograph(whole.pixels_HW3, size),
            truth=truth,
            predicted=predicted,
            true_box_4=boxes[0],
            box_4=boxes[1],
            true_text=truth_text(grades, phantom=self.phantom),
            text=answers_text(outcome.probabilities, phantom=self.phantom),
            scores=", ".join(f"{name} {value:.2f}" for name, value in known.items()),
        )


def _edges(name: str, box_4: npt.NDArray | None) -> dict[str, float | None]:
    edges = ("left", "top", "right", "bottom")
    values = [None] * len(edges) if box_4 is None else [round(float(value), 1) for value in box_4]
    return {f"{name}_{edge}": value for edge, value in zip(edges, values, strict=True)}
