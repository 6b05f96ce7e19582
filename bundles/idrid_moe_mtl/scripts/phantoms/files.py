"""Writes drawn eyes in IDRiD's official folders, names and file kinds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.layout import MASK_FOLDERS
from scripts.phantoms.eye import MASKS, Photograph, draw_eye
from scripts.phantoms.frame import Bools
from scripts.phantoms.plan import COPIED, DRAWN, PlannedEye, PlannedPhotograph

SPLIT_FOLDERS = {"train": "a. Training Set", "test": "b. Testing Set"}
PART_FOLDERS = {"A": "A. Segmentation", "B": "B. Disease Grading"}
_TRUTH = Path("2. Groundtruths")
GRADE_FILES = {
    "train": Path(PART_FOLDERS["B"], _TRUTH, "a. IDRiD_Disease Grading_Training Labels.csv"),
    "test": Path(PART_FOLDERS["B"], _TRUTH, "b. IDRiD_Disease Grading_Testing Labels.csv"),
}
_DISC, _FOVEA = (
    Path("C. Localization", _TRUTH, name) for name in ("1. Optic Disc Center Location", "2. Fovea Center Location")
)
CENTRE_FILES = {
    ("disc", "train"): _DISC / "a. IDRiD_OD_Center_Training Set_Markups.csv",
    ("disc", "test"): _DISC / "b. IDRiD_OD_Center_Testing Set_Markups.csv",
    ("fovea", "train"): _FOVEA / "IDRiD_Fovea_Center_Training Set_Markups.csv",
    ("fovea", "test"): _FOVEA / "IDRiD_Fovea_Center_Testing Set_Markups.csv",
}
_COMMENT = b"PHANTOM: drawn by a program, not a photograph of an eye"


def photograph_path(photograph: PlannedPhotograph) -> Path:
    """Where the photograph lies, relative to the data set's folder."""
    folder = Path(PART_FOLDERS[photograph.part], "1. Original Images", SPLIT_FOLDERS[photograph.split])
    return folder / f"{photograph.stem}.jpg"


def mask_path(photograph: PlannedPhotograph, kind: str) -> Path:
    """Where the mask of a part-A photograph lies, relative to the data set's folder."""
    folder = Path(PART_FOLDERS["A"], "2. All Segmentation Groundtruths", SPLIT_FOLDERS[photograph.split])
    return folder / MASK_FOLDERS[kind] / f"{photograph.stem}_{kind}.tif"


def write_eye(folder: Path, eye: PlannedEye, *, size: tuple[int, int], seed: int, rgba: str = "") -> dict[str, Any]:
    """Draws the eye and writes all its photographs and masks.

    Args:
        folder: the data set's folder. size: height and width in pixels.
        rgba: name of the photograph whose EX mask is stored as RGBA, opaque everywhere, only red being the mask.

    Returns:
        what is true of it, as plain JSON types.
    """
    drawn = draw_eye(eye.findings, size=size, seed=(seed, 1, eye.number))
    original = b""
    for photograph in eye.photographs:
        if photograph.encoding == DRAWN:
            encoded = original = _jpeg(Image.fromarray(drawn.image), quality=90)
        elif photograph.encoding == COPIED:
            encoded = original
        else:
            encoded = _jpeg(Image.open(io.BytesIO(original)), quality=82)
        _write(folder / photograph_path(photograph), encoded)
        if photograph.part == "A":
            for kind in MASKS:
                mask_HW = drawn.masks[kind]
                if mask_HW.any():
                    opaque = kind == "EX" and photograph.name == rgba
                    _write(folder / mask_path(photograph, kind), (rgba_tiff if opaque else palette_tiff)(mask_HW))
    return _facts(eye, drawn)


def _facts(eye: PlannedEye, drawn: Photograph) -> dict[str, Any]:
    def rounded(values: tuple[float, ...]) -> list[float]:
        return [round(value, 2) for value in values]

    return {
        "eye": eye.number,
        "photographs": {photograph.name: photograph.encoding for photograph in eye.photographs},
        "grades": {"RG": eye.findings.retinopathy, "MER": eye.findings.macular},
        "fovea_yx": rounded(drawn.fovea),
        "disc_yx": rounded(drawn.disc),
        "disc_diameter": round(drawn.disc_diameter, 2),
        "new_vessels_yx_radius": [rounded(tuft) for tuft in drawn.new_vessels],
        "lesion_pixels": {kind: int(drawn.masks[kind].sum()) for kind in MASKS},
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _jpeg(picture: Image.Image, *, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, comment=_COMMENT)
    return buffer.getvalue()


def palette_tiff(mask_HW: Bools) -> bytes:
    """A 1-bit palette TIFF (black, red) in one Deflate strip, written by hand because Pillow writes 8-bit palettes."""
    height, width = mask_HW.shape
    strip = zlib.compress(np.packbits(mask_HW, axis=1).tobytes(), 6)
    colours = struct.pack("<6H", 0, 65535, 0, 0, 0, 0)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 1),
        (259, 3, 1, 8),
        (262, 3, 1, 3),
        (273, 4, 1, 8 + len(colours)),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, len(strip)),
        (320, 3, 6, 8),
    ]
    padding = b"\0" * (len(strip) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = 8 + len(colours) + len(strip) + len(padding)
    return struct.pack("<2sHI", b"II", 42, start) + colours + strip + padding + directory + struct.pack("<I", 0)


def rgba_tiff(mask_HW: Bools) -> bytes:
    """An RGBA TIFF, red where the mask is and opaque everywhere."""
    pixels_HW4 = np.zeros((*mask_HW.shape, 4), np.uint8)
    pixels_HW4[..., 0] = 255 * mask_HW
    pixels_HW4[..., 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels_HW4).save(buffer, "TIFF", compression="tiff_lzw")
    return buffer.getvalue()


def write_tables(folder: Path, facts: list[dict[str, Any]]) -> None:
    """Writes part B's grades and part C's centres (x, y in whole pixels) with the official files' oddities."""
    rows: dict[tuple[str, str], list[str]] = {}
    for eye in facts:
        for name in eye["photographs"]:
            part, split, stem = name.split("/")
            if part == "B":
                rows.setdefault(("grades", split), []).append(f"{stem},{eye['grades']['RG']},{eye['grades']['MER']}")
                for place in ("disc", "fovea"):
                    y, x = eye[f"{place}_yx"]
                    rows.setdefault((place, split), []).append(f"{stem},{round(x)},{round(y)}")
    for split, grade_file in GRADE_FILES.items():
        filler = "," * 9 if split == "train" else ""
        lines = ["Image name,Retinopathy grade,Risk of macular edema ", *sorted(rows.get(("grades", split), []))]
        _write(folder / grade_file, "".join(f"{line}{filler}\r\n" for line in lines).encode())
    for (place, split), centre_file in CENTRE_FILES.items():
        found = sorted(rows.get((place, split), []))
        lines = ["Image No,X- Coordinate,Y - Coordinate", *found, *[",,"] * (5 + len(found) // 4)]
        _write(folder / centre_file, "".join(f"{line}{',' * 45}\r\n" for line in lines).encode())
