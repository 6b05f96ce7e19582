"""Photographs out of DICOM: Ophthalmic Photography, Secondary Capture and Visible Light Photographic as RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.dicom.decode import check_pixels, decode_frame
from shared.dicom.files import COPY_AGAIN, read_dataset, sop_class_of
from shared.errors import DataError

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PHOTOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.77.1.5.1": "Ophthalmic Photography 8 Bit",
    "1.2.840.10008.5.1.4.1.1.77.1.5.2": "Ophthalmic Photography 16 Bit",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame Grayscale Byte Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.3": "Multi-frame Grayscale Word Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture",
}
PALETTE = "PALETTE COLOR"
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
GREYS = ("MONOCHROME1", "MONOCHROME2")


def decode_photograph(content: bytes, *, name: str | Path, max_pixels: int) -> NDArray[np.uint8]:
    """A photograph's pixels, uint8 ``[H, W, 3]`` RGB.

    YBR colours become RGB; palettes are looked up; grey values fill all three channels, inverted for MONOCHROME1; more
    than 8 bits are scaled to 8 by the bits stored. Windows, overlays and ICC profiles are not applied.

    Args:
        content: of the file.
        name: what messages call it.
        max_pixels: more are refused before decoding.

    Raises:
        DataError: see `check_photograph` and `shared.dicom.decode`.
    """
    dataset = read_dataset(content, name=name)
    check_photograph(dataset, name=name)
    check_pixels(dataset, name=name)
    if dataset.Rows * dataset.Columns > max_pixels:
        raise DataError(
            f"{name} claims {dataset.Rows * dataset.Columns / 1e6:.0f} million pixels",
            expected=f"at most {max_pixels / 1e6:.0f} million",
            fix="scale the photograph down, or take it out of the folder",
        )
    return _to_rgb(decode_frame(dataset, 0, name=name), dataset)


def photograph_size(path: str | Path) -> tuple[int, int]:
    """(height, width) from the header.

    Raises:
        DataError: it cannot be read, or is no photograph.
    """
    dataset = read_dataset(path, name=path, pixels=False)
    check_photograph(dataset, name=path)
    return int(dataset.Rows), int(dataset.Columns)


def check_photograph(dataset: FileDataset, *, name: str | Path) -> None:
    """Refuse what is no single photograph.

    Raises:
        DataError: of another SOP class, of several frames, or of a photometric interpretation without a meaning here.
    """
    if str(dataset.get("SOPClassUID")) not in PHOTOGRAPHS:
        raise DataError(
            f"{name} is {sop_class_of(dataset)}",
            expected=f"a photograph: {', '.join(PHOTOGRAPHS.values())}",
            fix="take it out of the folder; OCT volumes are for bundles of volumes",
        )
    frames, kind = int(dataset.get("NumberOfFrames") or 1), str(dataset.get("PhotometricInterpretation", ""))
    if frames != 1:
        raise DataError(f"{name} has {frames} frames", expected="one photograph a file", fix="export the frames singly")
    if kind not in (*COLOURS, *GREYS, PALETTE) and "Rows" in dataset:
        raise DataError(
            f"{name} has the photometric interpretation {kind!r}",
            expected=", ".join((*COLOURS, PALETTE, *GREYS)),
            fix=COPY_AGAIN,
        )


def _to_rgb(pixels: NDArray[Any], dataset: FileDataset) -> NDArray[np.uint8]:
    kind, bits = str(dataset.PhotometricInterpretation), int(dataset.BitsStored)
    if kind == PALETTE:
        from pydicom.pixels import apply_color_lut

        pixels = np.asarray(apply_color_lut(pixels, dataset))[..., :3]
        bits = 8 * pixels.dtype.itemsize
    if bits > 8 or pixels.dtype != np.uint8:
        values = np.clip(pixels.astype(np.float32), 0, 2.0**bits - 1)
        pixels = np.rint(values * (255 / (2.0**bits - 1)))
    elif bits < 8:
        pixels = np.rint(pixels * (255 / (2.0**bits - 1)))
    rgb = pixels.astype(np.uint8)
    if kind == "MONOCHROME1":
        rgb = 255 - rgb
    return np.ascontiguousarray(rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2))
