"""Tiny data sets of the optic disc in the layout and file kinds of every source; a photograph is 60 x 40."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 40, 60


def ellipse(radius: float, *, centre: tuple[float, float] = (20, 30), width: int = WIDTH) -> NDArray[np.bool_]:
    """Bool [40, width] about ``centre`` (y, x)."""
    y, x = np.mgrid[:HEIGHT, :width]
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def save(array: NDArray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def photograph(path: Path, *, width: int = WIDTH, tone: int = 120) -> Path:
    """A photograph whose left half has ``tone`` and whose right half is black, with dark grey blocks by its name."""
    pixels = np.zeros((HEIGHT, width, 3), np.uint8)
    for place in range(15):
        top, left = 8 * (place % 5), width - 8 * (1 + place // 5)
        pixels[top : top + 8, left : left + 8] = 60 * (zlib.crc32(path.stem.encode()) >> place & 1)
    pixels[:, : width // 2] = tone
    return save(pixels, path)


def black_and_white(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return (mask * 255).astype(np.uint8)


def make_rim_one_r3(root: Path, *, persons: int = 6) -> None:
    """Both eyes of every person, stereo; the readers' discs have radii 11 and 13, the average's 12."""
    for number in range(1, persons + 1):
        healthy = number % 2
        folder = root / ("Healthy" if healthy else "Glaucoma and suspects") / "Stereo Images"
        for side in "LR":
            stem = f"{'N' if healthy else 'G'}-{number}-{side}"
            photograph(folder / f"{stem}.jpg", width=2 * WIDTH)
            for place, ending, radius in (
                ("Expert1_masks", "exp1", 11),
                ("Expert2_masks", "exp2", 13),
                ("Average_masks", "Avg", 12),
            ):
                for kind, size in (("Disc", radius), ("Cup", radius // 2)):
                    both = ellipse(size, width=2 * WIDTH) | ellipse(size, centre=(20, 90), width=2 * WIDTH)
                    save(black_and_white(both), folder / place / f"{stem}-{kind}-{ending}.png")


def make_rim_one_dl(root: Path) -> None:
    stems = {"r1_Im001": "normal", "r3_G-7-L": "glaucoma", "r3_G-7-R": "glaucoma", "r2_Im300": "normal"}
    for partition in ("partitioned_randomly", "partitioned_by_hospital"):
        for place, (stem, group) in enumerate(stems.items()):
            subset = "training_set" if place < 3 else "test_set"
            photograph(root / "RIM-ONE_DL_images" / partition / subset / group / f"{stem}.png")
    for stem, group in stems.items():
        folder = root / "RIM-ONE_DL_reference_segmentations" / group
        save(black_and_white(ellipse(12)), folder / f"{stem}-1-Disc-T.png")
        save(black_and_white(ellipse(5)), folder / f"{stem}-1-Cup-T.png")


def make_drishti(root: Path) -> None:
    """Experts' discs have radii 14, 13, 12 and 11, so that three of four agree on 12; cups 8 to 5, so on 6."""
    for number, subset, truth in ((1, "Test", "Test_GT"), (2, "Training", "GT"), (4, "Training", "GT")):
        stem = f"drishtiGS_{number:03d}"
        photograph(root / subset / "Images" / "GLAUCOMA" / f"{stem}.png")
        folder = root / subset / truth / stem / "SoftMap"
        for name, largest in (("OD", 14), ("cup", 8)):
            count = sum(ellipse(largest - less).astype(int) for less in range(4))
            save(np.array([0, 64, 128, 191, 255], np.uint8)[count], folder / f"{stem}_{name}segSoftmap.png")


def make_refuge(root: Path) -> None:
    for stem, place, truth in (
        ("g0001", "Training400/Glaucoma", "Annotation-Training400/Disc_Cup_Masks/Glaucoma"),
        ("n0001", "Training400/Non-Glaucoma", "Annotation-Training400/Disc_Cup_Masks/Non-Glaucoma"),
        ("V0001", "REFUGE-Validation400", "REFUGE-Validation400-GT/Disc_Cup_Masks"),
        ("T0001", "Test400", "REFUGE-Test-GT/Disc_Cup_Masks/G"),
    ):
        photograph(root / place / f"{stem}.jpg")
        values = np.where(ellipse(5), 0, np.where(ellipse(12), 128, 255)).astype(np.uint8)
        save(values, root / truth / f"{stem}.bmp")


def make_drions(root: Path) -> None:
    for number in (1, 2, 3):
        photograph(root / "images" / f"image_{number:03d}.jpg")
        save(black_and_white(ellipse(12)), root / "masks" / f"image_{number:03d}.jpg")


def make_idrid(root: Path) -> None:
    part = root / "A. Segmentation"
    for number, subset in ((1, "a. Training Set"), (2, "a. Training Set"), (55, "b. Testing Set")):
        stem = f"IDRiD_{number:02d}"
        photograph(part / "1. Original Images" / subset / f"{stem}.jpg")
        folder = part / "2. All Segmentation Groundtruths" / subset
        save(ellipse(12), folder / "5. Optic Disc" / f"{stem}_OD.tif")
        save(ellipse(2), folder / "3. Hard Exudates" / f"{stem}_EX.tif")


MAKERS = {
    "rim_one_r3": make_rim_one_r3,
    "rim_one_dl": make_rim_one_dl,
    "drishti": make_drishti,
    "refuge": make_refuge,
    "drions": make_drions,
    "idrid_disc": make_idrid,
}
