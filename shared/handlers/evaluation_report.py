"""The report of an evaluation: numbers with intervals, tables per photograph, pictures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from ignite.engine import Engine, Events

from shared.draw.panels import Comparison
from shared.errors import DataError
from shared.metrics.histogram import LEVELS, ScoreHistogram, score_histogram
from shared.metrics.outcome import Outcome, outcomes_of
from shared.metrics.overlap import Overlap, count_overlap, dice
from shared.ranks import gather_ordered, is_main
from shared.report.calibration import grade_calibration_rows, mask_calibration_rows
from shared.report.display import display_photograph
from shared.report.evaluation import write_evaluation
from shared.report.experts import ExpertUse, expert_use
from shared.report.figures import draw_comparisons
from shared.report.measures import GradeAnswers, MaskCounts, Row, grade_rows, mask_rows
from shared.tasks import Task, TaskList, parse_tasks

ALL, LEAK_FREE = "all", "official-leak-free"


class Kept(NamedTuple):
    """What is kept of one photograph: histograms of its labelled masks and overlaps at the thresholds, no maps."""

    outcome: Outcome
    histograms: dict[str, ScoreHistogram]
    overlaps: dict[str, Overlap]
    comparison: Comparison | None


class EvaluationReport:
    """Collect every photograph of an evaluation, then write and print the report.

    Numbers come for the set and, where some of its photographs show an eye of the official training parts (``leaks``),
    for the others beside it (`shared.report.evaluation.LEAK_FREE_NOTE`). Unlabelled (photograph, task) pairs never
    count, nor do pixels that the truth leaves out. Definitions are written into ``metrics.json``
    (`shared.report.measures.DEFINITIONS`). Of several ranks (`shared.data.RankSampler`), the main one writes the report
    on what all have collected. Memory: 8 bytes per photograph, mask task and level (half a megabyte), and about 3 MB
    per photograph with masks for the pictures.

    A subclass adds measures (`measure`), columns (`columns`) and draws other pictures (`draw_pictures`).

    Writes into ``output_dir``: ``metrics.json``, ``metrics.csv``, ``per_photograph.csv``, ``expert_use.csv`` (for
    networks with experts) and ``figures/``.

    Args:
        tasks: the task list.
        output_dir: folder, made where absent.
        split: name of the set, such as ``"test"``.
        thresholds: probability per mask task above which a pixel belongs to the mask; 0.5 where not given. Choose them
            on held-out training photographs (`pooled_histograms`, `shared.metrics.histogram.best_threshold`).
        samples: bootstrap resamples; 0 for no intervals.
        seed: of the resamples.
        provenance: what the numbers belong to: ``dataset``, ``phantom`` (bool), ``checkpoint``, ``commit``, ...
        means: name -> mask tasks whose mean is reported; by default ``mean`` of all.
        pictures: photographs drawn against their truth, spread from the worst to the best mean Dice; 0 for none.
        figures: False to draw nothing.
        about: what every number depends on, such as how a border is counted; named in titles and beside the numbers.
        levels: of the scores' histograms.
    """

    # Grades 0, 1, 2, ... are in order: far off is worse than next to it.
    ordered: ClassVar[bool] = True
    # Of measures that a subclass adds.
    definitions: ClassVar[Mapping[str, str]] = {}
    # Printed tables; None: `shared.report.evaluation.TABLES`.
    tables: ClassVar[Mapping[str, Mapping[str, str]] | None] = None

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any] | Task],
        *,
        output_dir: str | Path,
        split: str,
        thresholds: Mapping[str, float] | None = None,
        samples: int = 1000,
        seed: int = 0,
        provenance: Mapping[str, Any] | None = None,
        means: Mapping[str, Sequence[str]] | None = None,
        pictures: int = 3,
        figures: bool = True,
        about: Mapping[str, Any] | None = None,
        levels: int = LEVELS,
    ) -> None:
        self.tasks: TaskList = parse_tasks(tasks)
        self.output_dir, self.split = Path(output_dir), split
        self.thresholds = {task.name: float((thresholds or {}).get(task.name, 0.5)) for task in self.tasks.masks}
        self.not_chosen = [name for name in self.thresholds if name not in (thresholds or {})]
        self.samples, self.seed = samples, seed
        self.provenance = dict(provenance or {})
        self.means = dict(means) if means is not None else {"mean": [task.name for task in self.tasks.masks]}
        self.pictures, self.figures = pictures, figures
        self.about, self.levels = dict(about or {}), levels
        self.kept: list[Kept] = []
        self.rows: list[Row] = []

    def attach(self, engine: Engine) -> None:
        """Collect from a MONAI evaluator that decollates its batch."""
        engine.add_event_handler(Events.STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.finish_together)

    def finish_together(self, engine: Engine) -> None:
        """`gather`, then `finish` on the main process."""
        self.gather()
        if is_main():
            self.finish(engine)

    def gather(self) -> None:
        """Bring what every rank has collected to the main process, in the order of the data set."""
        self.kept = gather_ordered(enumerate(self.kept))

    def reset(self, engine: Engine | None = None) -> None:
        self.kept, self.rows = [], []

    def collect(self, engine: Engine) -> None:
        for outcome in outcomes_of(engine, self.tasks):
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Take in one photograph; its maps are reduced to histograms and a small picture at once."""
        histograms, overlaps = {}, {}
        predicted, truth = {}, {}
        inside: Any
        for position, task in enumerate(self.tasks.masks):
            if outcome.labelled_T[self.tasks.index(task.name)]:
                assert outcome.scores_SHW is not None
                assert outcome.truth_SHW is not None
                scores_HW, truth_HW = outcome.scores_SHW[position], outcome.truth_SHW[position]
                predicted[task.name], truth[task.name] = scores_HW > self.thresholds[task.name], truth_HW
                inside = ... if outcome.counted_SHW is None else outcome.counted_SHW[position]
                histograms[task.name] = score_histogram(scores_HW[inside], truth_HW[inside], bins=self.levels)
                overlaps[task.name] = count_overlap(predicted[task.name][inside], truth_HW[inside])
        drawn = histograms and self.figures and self.pictures
        comparison = self.compare(outcome, predicted, truth) if drawn else None
        slim = outcome._replace(scores_SHW=None, truth_SHW=None, counted_SHW=None, image_3HW=None)
        self.kept.append(Kept(slim, histograms, overlaps, comparison))

    def compare(
        self, outcome: Outcome, predicted: Mapping[str, npt.NDArray], truth: Mapping[str, npt.NDArray]
    ) -> Comparison | None:
        """What is kept of a photograph with masks, to draw it at the end."""
        photo_HW3 = display_photograph(outcome, size=next(iter(truth.values())).shape)
        return Comparison(outcome.name, photo_HW3, predicted, truth).shrunk(960)

    def columns(self, kept: Kept) -> dict[str, Any]:
        """More columns of a photograph's line in ``per_photograph.csv``."""
        return {}

    def class_names(self, task: str) -> list[str]:
        """What a grade task's classes are called in pictures; empty: they have numbers only."""
        return []

    def draw_pictures(self, folder: Path) -> None:
        """Photographs with what was found in them."""
        draw_comparisons(self, folder)

    def finish(self, engine: Engine | None = None) -> None:
        """Compute, write, draw and print; an engine's metrics get the numbers of all photographs, for tracking.

        Raises:
            DataError: where no photograph came, or none was labelled.
        """
        if not any(self.is_labelled(kept.outcome) for kept in self.kept):
            raise DataError(
                f"split {self.split!r}: {len(self.kept)} photographs, none of them labelled for any task",
                expected="photographs with masks or grades",
                fix="evaluate another split with --split, or check `dataset_dir`",
            )
        self.rows = list(itertools.chain(*(self.measure(name, where_N) for name, where_N in self.subsets().items())))
        if engine is not None:
            numbers = {f"{row.metric}_{row.task}": row.value for row in self.rows if row.subset == ALL}
            engine.state.metrics |= {name: value for name, value in numbers.items() if np.isfinite(value)}
        print(write_evaluation(self), flush=True)

    def is_labelled(self, outcome: Outcome) -> bool:
        """Whether any truth of the photograph is known."""
        return bool(outcome.labelled_T.any())

    def subsets(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which photographs ``[N]`` belong to each reported set."""
        leaks_N = np.array([kept.outcome.leaks for kept in self.kept])
        everything = {ALL: np.ones(len(leaks_N), bool)}
        return everything | ({LEAK_FREE: ~leaks_N} if leaks_N.any() and not leaks_N.all() else {})

    def measure(self, subset: str, where_N: npt.NDArray[np.bool_]) -> list[Row]:
        """Every number of one subset."""
        kept = [item for item, inside in zip(self.kept, where_N, strict=True) if inside]
        masked = [item for item in kept if item.histograms]
        names = [task.name for task in self.tasks.grades]
        graded = [item for item in kept if any(item.outcome.labelled_T[self.tasks.index(name)] for name in names)]
        arguments: dict[str, Any] = {"subset": subset, "samples": self.samples, "seed": self.seed}
        counts = {task.name: self.counts(masked, task.name) for task in self.tasks.masks}
        answers = {name: self.answers(graded, name) for name in names}
        return [
            *mask_rows(counts, means=self.means, photographs=len(masked), **arguments),
            *mask_calibration_rows(counts, photographs=len(masked), **arguments),
            *grade_rows(answers, photographs=len(graded), ordered=self.ordered, **arguments),
            *grade_calibration_rows(answers, photographs=len(graded), **arguments),
        ]

    def pooled_histograms(self) -> dict[str, ScoreHistogram]:
        """Pooled over all photographs, by mask task with a labelled photograph: what thresholds are chosen by."""
        counts = self.all_counts()
        return {name: count.histogram_NL.pooled() for name, count in counts.items() if len(count.photographs_N)}

    def answers(self, kept: Sequence[Kept], task: str) -> GradeAnswers:
        """Grades of the photographs among ``kept`` that are labelled for ``task``."""
        position, num_classes = next(
            (index, item.num_classes) for index, item in enumerate(self.tasks.grades) if item.name == task
        )
        row = self.tasks.index(task)
        chosen = [index for index, item in enumerate(kept) if item.outcome.labelled_T[row]]
        probabilities = [kept[index].outcome.probabilities[task] for index in chosen]
        return GradeAnswers(
            np.asarray(probabilities, np.float64).reshape(-1, num_classes),
            np.asarray([kept[index].outcome.grades_G[position] for index in chosen], np.int64),
            np.asarray(chosen, np.int64),
        )

    def all_answers(self) -> dict[str, GradeAnswers]:
        """By grade task with a labelled photograph."""
        answers = {task.name: self.answers(self.kept, task.name) for task in self.tasks.grades}
        return {name: answer for name, answer in answers.items() if len(answer.truth_N)}

    def all_counts(self) -> dict[str, MaskCounts]:
        """By mask task."""
        return {task.name: self.counts(self.kept, task.name) for task in self.tasks.masks}

    def gate_weights(self) -> tuple[npt.NDArray | None, npt.NDArray[np.bool_]]:
        """``[N, T, E]``, ``None`` for networks without experts, and which pairs ``[N, T]`` are labelled."""
        labelled_NT = np.array([kept.outcome.labelled_T for kept in self.kept])
        known = [kept.outcome.gate_weights_TE for kept in self.kept if kept.outcome.gate_weights_TE is not None]
        return (np.stack(known) if len(known) == len(self.kept) else None), labelled_NT

    def use_of_experts(self) -> ExpertUse | None:
        """Of the labelled (photograph, task) pairs; ``None`` for networks without experts."""
        weights_NTE, labelled_NT = self.gate_weights()
        return None if weights_NTE is None else expert_use(weights_NTE, labelled_NT)

    def per_photograph_dice(self, kept: Kept) -> dict[str, float]:
        """Dice of one photograph by labelled mask task, at the thresholds in use."""
        return {task: float(dice(overlap)) for task, overlap in kept.overlaps.items()}

    def counts(self, kept: Sequence[Kept], task: str) -> MaskCounts:
        """Histograms and overlaps of the photographs among ``kept`` that are labelled for ``task``."""
        chosen = [index for index, item in enumerate(kept) if task in item.histograms]
        histograms = [kept[index].histograms[task] for index in chosen]
        overlaps = np.asarray([kept[index].overlaps[task] for index in chosen], np.float64).reshape(-1, 3)
        positive, negative = (
            np.stack(parts) if parts else np.zeros((0, 1), np.int32)
            for parts in ([item.positive for item in histograms], [item.negative for item in histograms])
        )
        return MaskCounts(
            ScoreHistogram(positive, negative),
            Overlap(*overlaps.T),
            np.asarray(chosen, np.int64),
            self.thresholds[task],
        )
