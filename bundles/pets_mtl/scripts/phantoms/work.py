"""Draws the animals of a plan into files, in several processes where there is enough to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.layout import BACKGROUND, SPECIES
from scripts.phantoms.draw import Drawing, draw_animal
from scripts.phantoms.plan import Animal, plan_animals
from shared.phantoms.workers import draw_shares, serve

# Below this many million pixels in all, starting processes costs more than it saves.
_WORTH_A_PROCESS = 4.0
_XML = """<annotation><folder>OXIIIT</folder><filename>{name}.jpg</filename>
<source><database>PHANTOMS</database></source>
<size><width>{width}</width><height>{height}</height><depth>3</depth></size><segmented>0</segmented>
<object><name>{species}</name><pose>Frontal</pose><truncated>0</truncated><occluded>0</occluded>
<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>
<difficult>0</difficult></object></annotation>
"""


def draw_all(folder: Path, settings: dict[str, int], *, workers: int | None, progress: bool) -> list[dict[str, Any]]:
    """Draws every animal that ``settings`` (parameters of ``make_phantoms``) ask for into ``folder``.

    Returns:
        what is true of each, in the order of the plan, whatever the number of workers.

    Raises:
        OSError: if a file cannot be written or a worker fails.
    """
    for part in ("images", "annotations/trimaps", "annotations/xmls"):
        (folder / part).mkdir(parents=True)
    pixels = settings["number"] * settings["size"] ** 2
    facts = draw_shares(
        draw_share,
        {"folder": str(folder), "settings": settings},
        module="scripts.phantoms.work",
        bundle_root=Path(__file__).resolve().parents[2],
        number=settings["number"],
        workers=workers or (None if pixels > _WORTH_A_PROCESS * 1e6 else 1),
        unit="animal",
        progress=progress,
    )
    return sorted(facts, key=lambda fact: int(fact["number"]))


def draw_share(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Draws every ``step``-th animal from ``first`` on."""
    settings = order["settings"]
    for animal in plan_animals(**settings)[order["first"] :: order["step"]]:
        drawing = draw_animal(animal, size=settings["size"], seed=settings["seed"])
        _write(Path(order["folder"]), animal, drawing)
        yield animal._asdict() | {"head": drawing.head, "size": drawing.trimap.shape}


def write_lists(folder: Path, animals: Sequence[Animal]) -> None:
    """list.txt with the real one's heading, trainval.txt and test.txt."""
    lines = {animal.name: f"{animal.name} {animal.breed + 1} {animal.species + 1} 1" for animal in animals}
    heading = ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids", "#SPECIES: 1:Cat 2:Dog"]
    (folder / "annotations" / "list.txt").write_text("\n".join([*heading, *lines.values()]) + "\n")
    for subset in ("trainval", "test"):
        chosen = [lines[animal.name] for animal in animals if animal.subset == subset]
        (folder / "annotations" / f"{subset}.txt").write_text("\n".join(chosen) + "\n")


def write_stray_files(folder: Path) -> None:
    """What lies about in the real archives and is no image."""
    (folder / "images" / "Phantom_Cat_1_1.mat").write_bytes(b"MATLAB 5.0 MAT-file\n")
    (folder / "annotations" / "trimaps" / "._Phantom_Cat_1_1.png").write_bytes(b"\x00\x05\x16\x07")


def _write(folder: Path, animal: Animal, drawing: Drawing) -> None:
    image = Image.fromarray(drawing.image)
    path = folder / "images" / f"{animal.name}.jpg"
    if animal.oddity == "png inside":
        image.save(path, format="PNG")
    elif animal.oddity == "gif inside":
        image.save(path, format="GIF")
    elif animal.oddity in ("cmyk", "grey"):
        image.convert("CMYK" if animal.oddity == "cmyk" else "L").save(path, quality=90)
    else:
        image.save(path, quality=90)
    without = animal.oddity == "no pet in trimap"
    trimap_HW = np.full_like(drawing.trimap, BACKGROUND) if without else drawing.trimap
    Image.fromarray(trimap_HW).save(folder / "annotations" / "trimaps" / f"{animal.name}.png")
    if animal.has_box:
        left, top, right, bottom = drawing.head
        corners = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        height, width = drawing.trimap.shape
        text = _XML.format(name=animal.name, species=SPECIES[animal.species], height=height, width=width, **corners)
        (folder / "annotations" / "xmls" / f"{animal.name}.xml").write_text(text)


if __name__ == "__main__":
    serve(draw_share)
