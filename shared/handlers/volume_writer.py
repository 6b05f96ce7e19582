"""Inference on volumes written to files, B-scan by B-scan: label volumes, fluid volumes, thickness maps, one table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ignite.engine import Engine, Events

from shared.errors import ConfigError, DataError
from shared.metrics.bscan_outcome import BScanOutcome, bscan_outcomes, most_probable
from shared.ranks import gather_ordered, gather_to_all, gather_to_main, is_main, num_ranks
from shared.report.files import plain, safe_name, write_csv
from shared.report.names import OutputNames, absolute
from shared.report.table import format_table
from shared.report.volume_findings import fluid_text, volume_row
from shared.report.volume_output import FORMATS, VolumeOutput


class VolumeWriter:
    """Write what was found in each volume, at its own size and with its own geometry.

    Below ``output_dir``: ``volumes/NAME.mha`` and ``.nii.gz`` (class numbers), ``thickness/NAME_FLUID.csv`` and
    ``.png``, ``overviews/NAME.png``, ``json/NAME.json`` (written last: a volume that has it is complete),
    ``summary.csv`` (one line per volume), ``refused.csv``; of DICOM volumes ``segmentations/NAME.dcm``. B-scans come in
    order and are written at once; of a volume the fluid's depth under every A-scan is kept, and two small pictures. A
    folder takes the results of one model: those of earlier runs with the same ``provenance`` stay in the summary,
    others are refused. Of several ranks
    (`shared.data.VolumeBatchSampler`), each writes its volumes, and the main one the tables of all.

    Args:
        volumes: volume items, as the data list gives them.
        classes: names of classes 1..K-1.
        output_dir: folder, made where absent.
        prediction: which one to write where the network gives several.
        formats: suffixes out of ``.mha``, ``.mhd``, ``.nii.gz``, ``.nii``.
        provenance: what made the files: ``checkpoint``, ``commit``, ``phantom`` (bool: trained on phantoms), ...
        refused: (path, reason) of volumes that were not read.
        pictures: False to draw neither maps nor overviews.
    """

    def __init__(
        self,
        volumes: Sequence[Mapping[str, Any]],
        *,
        classes: Sequence[str],
        output_dir: str | Path,
        prediction: str = "",
        formats: Sequence[str] = FORMATS,
        provenance: Mapping[str, Any] | None = None,
        refused: Iterable[tuple[str | Path, str]] = (),
        pictures: bool = True,
    ) -> None:
        self.items = {str(item["name"]): item for item in volumes}
        self.classes, self.output_dir, self.prediction = list(classes), Path(output_dir), prediction
        self.formats, self.provenance = list(formats), dict(provenance or {})
        self.pictures = pictures
        self.refused = [(str(path), reason) for path, reason in refused]
        self.names = OutputNames()
        self.written: list[str] = []
        self.current: VolumeOutput | None = None
        self._rows: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, list[str]] = {}
        self._bscans, self._started = 0, time.monotonic()
        for file in sorted((self.output_dir / "json").glob("*.json")):
            self._take_over(file)

    def attach(self, engine: Engine) -> None:
        """Write each batch of a MONAI evaluator that decollates it; close at the end, also after an exception."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.STARTED, self.name_all)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.close_together)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._save_and_raise)

    def name_all(self, engine: Engine) -> None:
        """Of several ranks, name all volumes, alike on each."""
        if num_ranks() == 1:
            return
        # What lies in the folder has been read by all before any of them writes.
        gather_to_all(None)
        for name, item in self.items.items():
            self.names.name_for(item["image"], stem=safe_name(name))

    def close_together(self, engine: Engine) -> None:
        """Of several ranks, the main one writes the tables of what all have written, in the order of the volumes."""
        if self.current is not None:
            self._refuse_incomplete()
        own = [(name, self._rows[name], self._texts[name]) for name in self.written]
        lines, counts = gather_ordered(enumerate(own)), gather_to_main(self._bscans)
        if is_main():
            self.written, self._bscans = [name for name, _, _ in lines], sum(counts)
            self._rows |= {name: row for name, row, _ in lines}
            self._texts |= {name: texts for name, _, texts in lines}
            self.close(engine)

    def start(self, engine: Engine | None = None) -> None:
        """Begin to count."""
        self._started, self._bscans, self.written = time.monotonic(), 0, []

    def collect(self, engine: Engine) -> None:
        """Write the engine's present batch."""
        for outcome in bscan_outcomes(engine, with_truth=False):
            self(outcome)

    def is_done(self, path: str | Path) -> bool:
        """Whether the volume was completed by this or an earlier run into the folder."""
        return any(self.names.paths[name] == absolute(path) for name in self._rows)

    def __call__(self, outcome: BScanOutcome) -> None:
        """Write one B-scan, and with a volume's last one everything about it.

        Raises:
            ConfigError: an unknown volume, another number of classes, several predictions and none chosen.
            DataError: B-scans out of order or of another size, or a file that cannot be written.
        """
        if self.current is not None and self.current.item["name"] != outcome.volume:
            self._refuse_incomplete()
        if self.current is None:
            self.current = self._open(outcome)
        try:
            self.current.add(outcome, self._labels(outcome))
            self._bscans += 1
            if self.current.is_complete:
                file = self.current.finish()
                self._take_over(file)
                self.written.append(self.current.name)
                if self.current.problem:
                    self.refused.append((str(self.current.item["image"]), self.current.problem))
                self.write_summary()
                self.current = None
        except BaseException:
            self._discard()
            raise

    def write_summary(self) -> None:
        """Rewrite ``summary.csv``; one process of several does."""
        if not is_main():
            return
        rows = [self._rows[name] for name in sorted(self._rows)]
        write_csv(self.output_dir / "summary.csv", rows, list(dict.fromkeys(key for row in rows for key in row)))

    def close(self, engine: Engine | None = None) -> None:
        """Write the tables and print what was done; an engine's metrics get the counts, for tracking.

        Raises:
            DataError: B-scans of the last volume are missing.
        """
        if self.current is not None:
            self._refuse_incomplete()
        if self._rows:
            self.write_summary()
        refused = [{"volume": path, "reason": reason} for path, reason in self.refused]
        write_csv(self.output_dir / "refused.csv", refused, ["volume", "reason"])
        each = (time.monotonic() - self._started) / self._bscans if self._bscans else None
        if engine is not None:
            engine.state.metrics |= {"volumes_read": len(self.written), "volumes_refused": len(self.refused)}
            if each is not None:
                engine.state.metrics["seconds_per_bscan"] = each
        found = [[name, *self._texts[name]] for name in self.written]
        rows: list[list[Any]] = [
            ["volumes read", f"{len(self.written)}, {self._bscans} B-scans"],
            ["refused", f"{len(self.refused)}" + (f" (reasons: {self.output_dir}/refused.csv)" if refused else "")],
            ["time per B-scan", "-" if each is None else f"{each:.2f} s"],
            ["table", f"{self.output_dir}/summary.csv"],
            ["files", f"{self.output_dir}/volumes, thickness, overviews, json"],
        ]
        tables = [format_table(["volume", *self.classes], found)] if found else []
        print("\n\n".join([*tables, format_table(["inference", ""], rows)]), flush=True)

    def _labels(self, outcome: BScanOutcome) -> npt.NDArray[np.uint8]:
        names = list(outcome.predictions)
        chosen = self.prediction if self.prediction or len(names) > 1 else names[0]
        if chosen not in names:
            raise ConfigError(
                f"prediction {chosen!r} is to be written",
                expected=f"one of {', '.join(names)}",
                fix="correct `prediction` of `VolumeWriter`",
            )
        return most_probable(outcome.restored(chosen, classes=self.classes)).cpu().numpy()

    def _open(self, outcome: BScanOutcome) -> VolumeOutput:
        item = self.items.get(outcome.volume)
        if item is None:
            raise ConfigError(
                f"a B-scan of {outcome.volume!r} came, which is not among the {len(self.items)} volumes",
                expected="B-scans of the volumes given to `VolumeWriter`",
                fix="give loader and writer the same volumes",
            )
        name = self.names.name_for(item["image"], stem=safe_name(outcome.volume))
        return VolumeOutput(
            item,
            name=name,
            output_dir=self.output_dir,
            classes=self.classes,
            formats=self.formats,
            provenance=self.provenance,
            pictures=self.pictures,
        )

    def _take_over(self, file: Path) -> None:
        content = json.loads(file.read_text(encoding="utf-8"))
        own = plain({"provenance": self.provenance, "classes": self.classes})
        if own != {"provenance": content.get("provenance"), "classes": list(content.get("classes", []))}:
            raise ConfigError(
                f"{self.output_dir} holds results of another model ({file.name})",
                expected="a folder of its own for each model, or an empty one",
                fix="give another --output_dir, or remove that folder",
            )
        self.names.remember(file.stem, content["source"])
        self._rows[file.stem] = volume_row(file.stem, content)
        self._texts[file.stem] = [fluid_text(found) for found in content["fluids"].values()]

    def _refuse_incomplete(self) -> None:
        assert self.current is not None
        count, total = self.current.count, self.current.geometry.size_NHW[0]
        name = self.current.item["name"]
        self._discard()
        raise DataError(
            f"{count} of {total} B-scans of {name} came",
            expected="all B-scans of one volume after the other",
            fix="let the loader go through whole volumes in order, without a sampler",
        )

    def _discard(self) -> None:
        if self.current is not None:
            self.current.discard()
            self.current = None

    def _save_and_raise(self, engine: Engine, error: BaseException) -> None:
        self._discard()
        if self._rows:
            self.write_summary()
        raise error
