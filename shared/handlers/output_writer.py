"""Inference written to files, whatever is found: one JSON per photograph, one table for all, what was refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ignite.engine import Engine, Events
from PIL import Image

from shared.dicom.files import is_dicom
from shared.files import atomic_write
from shared.ranks import gather_ordered, gather_to_all, is_main, num_ranks
from shared.report.files import write_csv, write_json
from shared.report.names import OutputNames, absolute
from shared.report.table import format_table

SUMMARY_EVERY = 20


class OutputWriter:
    """What writers of photographs have in common; a subclass gives `collect`, `row` and, where it has any, `remarks`.

    Below ``output_dir``: ``json/NAME.json`` (written last: a photograph that has it is complete), ``summary.csv`` (one
    line per photograph, also those of earlier runs into the same folder), ``refused.csv``; of DICOM photographs
    ``segmentations/NAME.dcm``. NAME is the file's stem;
    where another photograph already has it, the stem with eight digits that depend on the path, so a repeated run
    writes to the same names. Of several ranks (`shared.data.RankSampler`), each writes its photographs' files, and the
    main one the tables of all.

    Args:
        output_dir: folder, made where absent.
        provenance: what made the files: ``checkpoint``, ``commit``, ``phantom`` (bool: trained on phantoms), ...
        refused: (path, reason) of pictures that were not read; see `shared.data.listing.find_photographs`.
    """

    folders: ClassVar[str] = "json"

    def __init__(
        self,
        *,
        output_dir: str | Path,
        provenance: Mapping[str, Any] | None = None,
        refused: Iterable[tuple[str | Path, str]] = (),
    ) -> None:
        self.output_dir = Path(output_dir)
        self.provenance = dict(provenance or {})
        self.refused: list[tuple[str, str]] = []
        self.refuse(refused)
        self.written: list[str] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self.names = OutputNames()
        self._started = time.monotonic()
        for file in sorted((self.output_dir / "json").glob("*.json")):
            self._remember(file.stem, json.loads(file.read_text(encoding="utf-8")))

    def collect(self, engine: Engine) -> None:
        """Write the engine's present batch."""
        raise NotImplementedError

    def row(self, name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
        """One line of ``summary.csv`` from the content of a photograph's JSON."""
        raise NotImplementedError

    def remarks(self) -> list[list[Any]]:
        """More lines of the printed table."""
        return []

    def attach(self, engine: Engine) -> None:
        """Write each batch of a MONAI evaluator that decollates it; close at the end, also after an exception."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.STARTED, self.name_all)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.close_together)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._save_and_raise)

    def name_all(self, engine: Any) -> None:
        """Of several ranks, name the whole data set's photographs, alike on each."""
        if num_ranks() == 1:
            return
        # What lies in the folder has been read by all before any of them writes.
        gather_to_all(None)
        for item in engine.data_loader.dataset.data:
            self.names.name_for(item["image"], stem=Path(item["image"]).stem)

    def close_together(self, engine: Engine) -> None:
        """Of several ranks, the main one writes the tables of what all have written, in the order of the data set."""
        lines = gather_ordered((place, (name, self._rows[name])) for place, name in enumerate(self.written))
        if is_main():
            self.written = [name for name, _ in lines]
            self._rows |= dict(lines)
            self.close(engine)

    def start(self, engine: Engine | None = None) -> None:
        """Begin to count."""
        self._started = time.monotonic()
        self.written = []

    def is_done(self, path: str | Path) -> bool:
        """Whether the photograph was completed by this or an earlier run into the folder."""
        return any(self.names.paths[name] == absolute(path) for name in self._rows)

    def refuse(self, refused: Iterable[tuple[str | Path, str]]) -> None:
        """Note photographs that were not read, each with the reason."""
        self.refused += [(str(path), reason) for path, reason in refused]

    def complete(self, name: str, findings: Mapping[str, Any]) -> None:
        """Write a photograph's JSON, after all its other files; every 20th time also the table."""
        file = write_json(self.output_dir / "json" / f"{name}.json", findings)
        self._remember(name, json.loads(file.read_text(encoding="utf-8")))
        self.written.append(name)
        if len(self.written) % SUMMARY_EVERY == 0:
            self.write_summary()

    def write_segmentation(
        self,
        name: str,
        path: str | Path,
        masks: Mapping[str, npt.NDArray[np.bool_]],
        *,
        titles: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Of a DICOM photograph also write ``segmentations/NAME.dcm`` (DICOM SEG); returns its entry of ``files``.

        Where none can be made, that is noted among what was refused, and all else goes on.
        """
        if not masks or not is_dicom(path):
            return {}
        from shared.dicom.segmentation import NoSegmentationError, write_photograph_segmentation

        file = f"segmentations/{name}.dcm"
        more = {"titles": titles, "provenance": self.provenance}
        try:
            write_photograph_segmentation(masks, self.output_dir / file, source=path, **more)
        except NoSegmentationError as error:
            self.refuse([(path, f"read, but without a DICOM segmentation: {error.received}")])
            return {}
        return {"dicom_seg": file}

    def write_summary(self) -> None:
        """Rewrite ``summary.csv``; one process of several does."""
        if not is_main():
            return
        rows = [self._rows[name] for name in sorted(self._rows)]
        write_csv(self.output_dir / "summary.csv", rows, list(dict.fromkeys(key for row in rows for key in row)))

    def close(self, engine: Engine | None = None) -> None:
        """Write the tables and print what was done; an engine's metrics get the counts, for tracking."""
        if self._rows:
            self.write_summary()
        refused = [{"photograph": path, "reason": reason} for path, reason in self.refused]
        write_csv(self.output_dir / "refused.csv", refused, ["photograph", "reason"])
        seconds = time.monotonic() - self._started
        each = f"{seconds / len(self.written):.2f} s" if self.written else "-"
        if engine is not None:
            engine.state.metrics |= {"photographs_read": len(self.written), "photographs_refused": len(self.refused)}
            if self.written:
                engine.state.metrics["seconds_per_photograph"] = seconds / len(self.written)
        rows: list[list[Any]] = [
            *self.remarks(),
            ["photographs read", len(self.written)],
            ["refused", f"{len(self.refused)}" + (f" (reasons: {self.output_dir}/refused.csv)" if refused else "")],
            ["time per photograph", each],
            ["table", f"{self.output_dir}/summary.csv"],
            ["files", f"{self.output_dir}/{self.folders}"],
        ]
        print(format_table(["inference", ""], rows), flush=True)

    def _save_and_raise(self, engine: Engine, error: BaseException) -> None:
        if self._rows:
            self.write_summary()
        raise error

    def _remember(self, name: str, findings: Mapping[str, Any]) -> None:
        self.names.remember(name, findings["photograph"])
        self._rows[name] = self.row(name, findings)


def write_mask(mask_HW: npt.NDArray[np.bool_], path: str | Path) -> Path:
    """A mask as 1-bit PNG."""
    picture = Image.fromarray(np.ascontiguousarray(mask_HW))
    return atomic_write(path, lambda file: picture.save(file, format="PNG"))
