"""The report of an evaluation on whole OCT volumes: the challenge's measures with intervals, tables, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ignite.engine import Engine, Events

from shared.draw.bscans import BScanPicture
from shared.errors import ConfigError, DataError
from shared.metrics.bscan_outcome import BScanOutcome, bscan_outcomes, most_probable
from shared.metrics.histogram import LEVELS, ScoreHistogram, score_histogram
from shared.metrics.volumes import count_classes
from shared.ranks import gather_to_main, is_main
from shared.report.fovea import DIAMETERS_MM, Fovea, circles, fluid_inside, read_fovea
from shared.report.volume_measures import ALL, VolumeCounts, VolumeRow, subsets, volume_rows
from shared.report.volume_pictures import picture_of
from shared.report.volumes import write_volume_evaluation


class VolumeReport:
    """Collect every B-scan of an evaluation as counts of its volume, then write and print the report.

    Probabilities are brought to the B-scan's own size bilinearly; a voxel has the class of the largest. All predictions
    that the evaluator gives are reported side by side (student, teacher, ensemble). Definitions, also of what a fluid
    counts that is absent, are written into ``metrics.json`` (`shared.metrics.volumes.DEFINITIONS`). Memory: a few
    numbers, and where pictures are drawn one small B-scan, per volume. B-scans of volumes without labels are left out.
    Of several ranks (`shared.data.VolumeBatchSampler`), the main one writes the report on what all have collected.

    Writes into ``output_dir``: ``metrics.json``, ``metrics.csv``, ``per_volume.csv`` and ``figures/``.

    Args:
        volumes: volume items of the set, as `make_datalist` gives them.
        classes: names of classes 1..K-1.
        output_dir: folder, made where absent.
        split: name of the set, such as ``"test"``.
        deploy: the prediction whose numbers have no prefix in tracking; by default the first.
        fovea: table of positions (`shared.report.fovea.read_fovea`), for the fluid within 1, 3 and 6 mm.
        samples: bootstrap resamples over patients; 0 for no intervals.
        seed: of the resamples.
        provenance: what the numbers belong to: ``dataset``, ``phantom`` (bool), ``checkpoint``, ``commit``, ...
        pictures: volumes shown by their B-scan with most fluid, spread from the worst to the best mean Dice.
        figures: False to draw nothing.
    """

    def __init__(
        self,
        volumes: Sequence[Mapping[str, Any]],
        *,
        classes: Sequence[str],
        output_dir: str | Path,
        split: str,
        deploy: str = "",
        fovea: str | Path | None = None,
        samples: int = 1000,
        seed: int = 0,
        provenance: Mapping[str, Any] | None = None,
        pictures: int = 3,
        figures: bool = True,
    ) -> None:
        self.items = {str(item["name"]): item for item in volumes}
        self.classes, self.output_dir, self.split, self.deploy = list(classes), Path(output_dir), split, deploy
        self.fovea: dict[str, Fovea] = read_fovea(fovea, volumes=volumes) if fovea else {}
        self.samples, self.seed, self.provenance = samples, seed, dict(provenance or {})
        self.pictures, self.figures = pictures, figures
        self.reset()

    def reset(self, engine: Engine | None = None) -> None:
        """Forget everything collected."""
        self.counts: dict[str, dict[str, VolumeCounts]] = {}
        self.seen: dict[str, set[int]] = {}
        self.unlabelled: set[str] = set()
        self.histograms: dict[str, ScoreHistogram] = {}
        self.shown: dict[str, tuple[tuple[int, ...], BScanPicture]] = {}
        self.rows: list[VolumeRow] = []

    @property
    def predictions(self) -> list[str]:
        """Names of the predictions that were collected, the deployed one first."""
        names = list(self.counts)
        return sorted(names, key=lambda name: name != self.deploy)

    @property
    def diameters_mm(self) -> tuple[float, ...]:
        """Of the circles around the fovea that are reported."""
        return DIAMETERS_MM if self.fovea else ()

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
        """Bring what every rank has counted to the main process, volumes in the order of the set.

        Raises:
            DataError: two ranks had B-scans of one volume.
        """
        parts = gather_to_main((self.counts, self.seen, self.unlabelled, self.histograms, self.shown))
        if len(parts) <= 1:
            return
        self.reset()
        for counts, seen, unlabelled, histograms, shown in parts:
            if shared := sorted(seen.keys() & self.seen.keys()):
                raise DataError(
                    f"B-scans of {shared[0]} came to several processes",
                    expected="whole volumes",
                    fix="give VolumeBatchSampler the rank and the world_size",
                )
            for name, by_volume in counts.items():
                self.counts.setdefault(name, {}).update(by_volume)
            self.seen |= seen
            self.unlabelled |= unlabelled
            self.shown |= shown
            for fluid, histogram in histograms.items():
                self._pool(fluid, histogram)
        self.seen = {name: self.seen[name] for name in self.items if name in self.seen}
        self.shown = {name: self.shown[name] for name in self.items if name in self.shown}

    def collect(self, engine: Engine) -> None:
        """Take in the engine's present batch."""
        for outcome in bscan_outcomes(engine):
            self.add(outcome)

    def add(self, outcome: BScanOutcome) -> None:
        """Take in one B-scan; its maps are reduced to counts at once.

        Raises:
            ConfigError: a volume that is not in the set, or another number of classes.
            DataError: a B-scan that came before, or of another size than its volume.
        """
        item = self._item(outcome)
        if outcome.truth_HW is None:
            self.unlabelled.add(outcome.volume)
            return
        predicted = {name: self._count(name, outcome, item) for name in outcome.predictions}
        if self.figures and self.pictures:
            fluid = tuple(int(np.count_nonzero(labels)) for labels in (outcome.truth_HW, *predicted.values()))
            if outcome.volume not in self.shown or fluid > self.shown[outcome.volume][0]:
                self.shown[outcome.volume] = fluid, picture_of(outcome, predicted, classes=self.classes)

    def finish(self, engine: Engine | None = None) -> None:
        """Compute, write, draw and print; an engine's metrics get the numbers of all volumes, for tracking.

        Raises:
            DataError: where no labelled volume came, or B-scans are missing.
        """
        self._check_complete()
        vendors = [str(self.items[name]["vendor"]) for name in self.seen]
        self.rows = [
            row
            for prediction in self.predictions
            for subset, where_N in subsets(vendors).items()
            for row in volume_rows(
                [item for item, inside in zip(self.of(prediction), where_N, strict=True) if inside],
                classes=self.classes,
                subset=subset,
                prediction=prediction,
                samples=self.samples,
                seed=self.seed,
                diameters_mm=self.diameters_mm,
            )
        ]
        if engine is not None:
            engine.state.metrics |= self.tracked()
        print(write_volume_evaluation(self), flush=True)

    def of(self, prediction: str) -> list[VolumeCounts]:
        """Counts of all volumes, in the order in which they came."""
        return [self.counts[prediction][name] for name in self.seen]

    def tracked(self) -> dict[str, float]:
        """Numbers of all volumes by name, such as ``dice_IRF``; of several predictions also ``teacher_dice_IRF``."""
        numbers = {}
        for row in self.rows:
            if row.subset == ALL and np.isfinite(row.value):
                if row.prediction == self.predictions[0]:
                    numbers[f"{row.metric}_{row.task}"] = row.value
                if len(self.predictions) > 1:
                    numbers[f"{row.prediction}_{row.metric}_{row.task}"] = row.value
        return numbers

    def _item(self, outcome: BScanOutcome) -> Mapping[str, Any]:
        item = self.items.get(outcome.volume)
        if item is None:
            raise ConfigError(
                f"a B-scan of {outcome.volume!r} came, which is not among the {len(self.items)} volumes of the set",
                expected="B-scans of the volumes given to `VolumeReport`",
                fix="give loader and report the same split",
            )
        if outcome.truth_HW is None:
            return item
        seen = self.seen.setdefault(outcome.volume, set())
        if outcome.number in seen:
            raise DataError(
                f"B-scan {outcome.number} of {outcome.volume} came twice",
                expected="every B-scan once",
                fix="let the evaluation's loader go through the B-scans in order, without a sampler",
            )
        if outcome.native_size != tuple(item["size"]):
            raise DataError(
                f"B-scan {outcome.number} of {outcome.volume} has size {outcome.native_size}, not {item['size']}",
                expected="B-scans of one size",
                fix="check that volume; its cached copy may be of an earlier file",
            )
        seen.add(outcome.number)
        return item

    def _count(self, name: str, outcome: BScanOutcome, item: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
        maps_KHW = outcome.restored(name, classes=self.classes)
        assert outcome.truth_HW is not None
        predicted_HW = most_probable(maps_KHW).cpu().numpy()
        score_F = maps_KHW[1:].mean((1, 2)).double().cpu().numpy()
        confusion_KK = count_classes(outcome.truth_HW, predicted_HW, num_classes=len(maps_KHW))
        near_RF2 = None
        if outcome.volume in self.fovea:
            place, width = self.fovea[outcome.volume], predicted_HW.shape[1]
            inside_RW = circles(place, index=outcome.number, width=width, spacing=item["spacing"])
            near_RF2 = fluid_inside(outcome.truth_HW, predicted_HW, inside_RW, num_classes=len(maps_KHW))
        by_volume = self.counts.setdefault(name, {})
        before = by_volume.get(outcome.volume)
        if before is not None:
            confusion_KK = confusion_KK + before.confusion_KK
            score_F = np.maximum(score_F, before.score_F)
            near_RF2 = None if near_RF2 is None or before.near_RF2 is None else near_RF2 + before.near_RF2
        voxel_mm3 = float(np.prod(item["spacing"])) if item["physical"] else None
        about = outcome.volume, str(item["vendor"]), str(item["patient"])
        by_volume[outcome.volume] = VolumeCounts(*about, voxel_mm3, confusion_KK, score_F, near_RF2)
        if self.figures and name == self.predictions[0]:
            self._pool_scores(maps_KHW[1:].clamp(0, 1).cpu().numpy(), outcome.truth_HW)
        return predicted_HW

    def _pool_scores(self, scores_FHW: npt.NDArray[np.float32], truth_HW: npt.NDArray[np.uint8]) -> None:
        for position, fluid in enumerate(self.classes):
            self._pool(fluid, score_histogram(scores_FHW[position], truth_HW == position + 1))

    def _pool(self, fluid: str, histogram: ScoreHistogram) -> None:
        if fluid not in self.histograms:
            self.histograms[fluid] = ScoreHistogram(np.zeros(LEVELS, np.int64), np.zeros(LEVELS, np.int64))
        for total, part in zip(self.histograms[fluid], histogram, strict=True):
            total += part

    def _check_complete(self) -> None:
        if not self.seen:
            raise DataError(
                f"split {self.split!r}: {len(self.items)} volumes, none of them with a reference",
                expected="volumes with labels",
                fix="evaluate another split with --split, or check `dataset_dir`",
            )
        for name, seen in self.seen.items():
            if len(seen) != self.items[name]["num_slices"]:
                raise DataError(
                    f"{len(seen)} of {self.items[name]['num_slices']} B-scans of {name} came",
                    expected="whole volumes",
                    fix="evaluate with a loader over all B-scans",
                )
