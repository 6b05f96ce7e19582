"""Inference written to files: masks, overlay, rim profile and JSON per photograph, one table for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from ignite.engine import Engine

from scripts.draw_rim import draw_rim
from scripts.entry import DISC
from scripts.findings import describe_disc, legend_texts, summary_row, title_text
from scripts.laterality import laterality
from scripts.masks import read_view
from scripts.segmented import Segmented, segment
from shared.data.field_of_view import FieldOfView, find_field_of_view
from shared.draw.look import Photograph
from shared.draw.overlay import draw_overlay
from shared.errors import ConfigError, DataError
from shared.handlers.output_writer import OutputWriter, write_mask
from shared.report.files import write_csv
from shared.report.findings import find_disc

CHECKED = (("disc_found", False), ("disc_touches_border", True))


class DiscWriter(OutputWriter):
    """Write what was found in each photograph, at its own size (of a stereo photograph: its left view's).

    Beside what `OutputWriter` writes: ``masks/NAME_disc.png`` and ``masks/NAME_cup.png`` (1-bit),
    ``overlays/NAME.jpg``, and for models of the cup ``rims/NAME.csv`` and ``rims/NAME.png``. What JSON and table hold:
    `scripts.findings.describe_disc`.

    Args:
        classes: ["disc"] or ["disc", "cup"].
        keep_largest: keep only the largest component of disc and cup; what was removed is said.
        longest: longer side of the overlay in pixels.
        more: see `OutputWriter`.
    """

    folders: ClassVar[str] = "masks, overlays, rims (of models of the cup), json"

    def __init__(
        self,
        *,
        classes: Sequence[str],
        output_dir: str | Path,
        keep_largest: bool = True,
        longest: int = 1600,
        provenance: Mapping[str, Any] | None = None,
        refused: Iterable[tuple[str | Path, str]] = (),
    ) -> None:
        super().__init__(output_dir=output_dir, provenance=provenance, refused=refused)
        self.classes, self.keep_largest, self.longest = list(classes), keep_largest, longest

    def collect(self, engine: Engine) -> None:
        """Write the engine's present batch, decollated: ``pred``, probabilities [K,H,W]; the item's keys."""
        state: Any = engine.state
        for output, batch in zip(state.output, state.batch, strict=True):
            self(torch.as_tensor(output["pred"]), batch)

    def row(self, name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
        """One line of ``summary.csv``."""
        return summary_row(name, findings)

    def remarks(self) -> list[list[Any]]:
        """How many photographs have no disc, or a disc that is cut."""
        rows = [self._rows[name] for name in self.written]
        empty, cut = (sum(bool(row[key]) == value for row in rows) for key, value in CHECKED)
        return [["no disc found", empty], ["disc cut by the border", cut]]

    def __call__(self, probabilities_KHW: torch.Tensor, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Write one photograph's files; returns the content of its JSON.

        Raises:
            ConfigError: probabilities of another size than the photograph's view.
        """
        path, stereo = str(batch["path"]), bool(batch.get("stereo"))
        photo_HW3 = read_view(path, stereo=stereo).pixels_HW3
        if tuple(probabilities_KHW.shape[1:]) != photo_HW3.shape[:2]:
            raise ConfigError(
                f"{path}: predicted maps are {tuple(probabilities_KHW.shape[1:])}, the view {photo_HW3.shape[:2]}",
                expected="`pred` at the photograph's own size",
                fix="put `shared.transforms.RestorePhotographd` into the post-processing",
            )
        name = self.names.name_for(path, stem=Path(path).stem)
        found = segment(probabilities_KHW, self.classes, keep_largest=self.keep_largest)
        field = None if stereo else _field(photo_HW3, path)
        disc = find_disc(found.masks[DISC])
        eye = laterality(stem=Path(path).stem, known=str(batch.get("laterality", "")), disc=disc, field=field)
        findings = describe_disc(path, found, eye=eye, stereo=stereo, field=field)
        findings |= {"keep_largest": self.keep_largest, "provenance": self.provenance}
        findings["files"] = self._write(name, photo_HW3, found, findings)
        self.complete(name, findings)
        return findings

    def _write(self, name: str, photo_HW3: Photograph, found: Segmented, findings: Mapping[str, Any]) -> dict[str, str]:
        files = {"overlay": f"overlays/{name}.jpg"}
        for kind, mask_HW in found.masks.items():
            files[f"mask_{kind}"] = f"masks/{name}_{kind}.png"
            write_mask(mask_HW, self.output_dir / files[f"mask_{kind}"])
        phantom = bool(self.provenance.get("phantom"))
        title = Path(findings["photograph"]).name
        draw_overlay(
            photo_HW3,
            found.masks,
            self.output_dir / files["overlay"],
            title=f"{title}\n{title_text(findings)}",
            labels=legend_texts(findings),
            longest=self.longest,
            phantom=phantom,
        )
        if findings.get("rim"):
            files |= {"rim_csv": f"rims/{name}.csv", "rim_png": f"rims/{name}.png"}
            pairs = zip(findings["rim"]["angle_degrees"], findings["rim"]["width_px"], strict=True)
            rows = [{"angle_degrees": angle, "width_px": width} for angle, width in pairs]
            write_csv(self.output_dir / files["rim_csv"], rows, ["angle_degrees", "width_px"])
            draw_rim(findings, self.output_dir / files["rim_png"], title=title, phantom=phantom)
        return files | self.write_segmentation(name, findings["photograph"], found.masks)


def _field(photo_HW3: Photograph, path: str) -> FieldOfView | None:
    """The field of view, where there is one. (Stereo views are centred on the disc: theirs says nothing of the eye.)"""
    try:
        return find_field_of_view(photo_HW3, name=path)
    except DataError:
        return None
