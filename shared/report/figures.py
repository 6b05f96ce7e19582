"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.draw.calibration import draw_reliability
from shared.draw.curves import draw_precision_recall
from shared.draw.matrices import draw_confusion_matrices, draw_expert_use, draw_routing
from shared.draw.panels import draw_comparison
from shared.metrics.histogram import LEVELS, precision_recall
from shared.metrics.outcome import Outcome
from shared.report.calibration import reliabilities
from shared.report.experts import ExpertUse
from shared.report.files import safe_name
from shared.report.table import number

if TYPE_CHECKING:
    from shared.handlers.evaluation_report import EvaluationReport


def draw_evaluation(report: EvaluationReport, use: ExpertUse | None) -> None:
    """Curves, confusion matrices, reliability, expert use, routing, and photographs against their truth."""
    folder, phantom = report.output_dir / "figures", bool(report.provenance.get("phantom"))
    values = {(row.task, row.metric): row.value for row in report.rows if row.subset == "all"}
    pooled = report.pooled_histograms()
    if pooled:
        levels = np.unique(np.concatenate([np.linspace(0, 1, 2001), 1 - np.geomspace(1 / LEVELS, 1, 500)]))
        draw_precision_recall(
            {name: precision_recall(histogram, levels) for name, histogram in pooled.items()},
            folder / "precision_recall.png",
            average_precision={name: values[name, "average_precision"] for name in pooled},
            operating_points={name: (values[name, "sensitivity"], values[name, "precision"]) for name in pooled},
            title=f"Precision and recall, pixels pooled over split {report.split!r}",
            phantom=phantom,
        )
    answers = report.all_answers()
    if answers:
        draw_confusion_matrices(
            {name: answer.confusion() for name, answer in answers.items()},
            folder / "confusion.png",
            title=f"{'Grades' if report.ordered else 'Classes'}, split {report.split!r}",
            subtitles={
                name: f"accuracy {number(values[name, 'accuracy'])}"
                + (f", quadratic kappa {number(values[name, 'kappa'])}" if report.ordered else "")
                for name in answers
            },
            classes={name: report.class_names(name) for name in answers},
            phantom=phantom,
        )
    known = reliabilities(answers, report.all_counts())
    if known:
        draw_reliability(
            known,
            folder / "reliability.png",
            errors={name: values[name, "ece"] for name in known},
            title=f"Reliability, split {report.split!r}",
            phantom=phantom,
        )
    weights_NTE, _ = report.gate_weights()
    if use is not None and weights_NTE is not None:
        title = f"Expert use, split {report.split!r}"
        draw_expert_use(*use[:2], folder / "expert_use.png", tasks=report.tasks.names, title=title, phantom=phantom)
        draw_routing(
            weights_NTE,
            folder / "routing.png",
            tasks=report.tasks.names,
            names=[kept.outcome.name for kept in report.kept],
            phantom=phantom,
        )
    report.draw_pictures(folder)


def draw_comparisons(report: EvaluationReport, folder: Path) -> None:
    """Photographs with masks against their truth, from the worst to the best mean Dice."""
    phantom = bool(report.provenance.get("phantom"))
    for stale in folder.glob("compare_*.png"):
        stale.unlink()
    pictured = [kept for kept in report.kept if kept.comparison is not None]
    pictured.sort(key=lambda kept: float(np.mean(list(report.per_photograph_dice(kept).values()))))
    chosen = np.unique(np.linspace(0, len(pictured) - 1, min(report.pictures, len(pictured))).round().astype(int))
    for rank in chosen:
        kept = pictured[rank]
        scores = {name: f"Dice {value:.2f}" for name, value in report.per_photograph_dice(kept).items()}
        caption = f"(rank {len(pictured) - rank} of {len(pictured)} by mean Dice)  {_grades_text(report, kept.outcome)}"
        safe = safe_name(kept.outcome.name)
        assert kept.comparison is not None
        draw_comparison(
            kept.comparison._replace(caption=caption), folder / f"compare_{safe}.png", scores=scores, phantom=phantom
        )


def _grades_text(report: EvaluationReport, outcome: Outcome) -> str:
    parts = []
    for position, task in enumerate(report.tasks.grades):
        if task.name in outcome.probabilities:
            truth = int(outcome.grades_G[position])
            text = f"{task.name} {int(np.argmax(outcome.probabilities[task.name]))}"
            parts.append(text + (f" (true {truth})" if truth >= 0 else ""))
    return "  ".join(parts)
