"""Read photographs and label masks from files, honestly: what cannot be read whole is refused by name."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from shared.dicom.files import SUFFIXES as DICOM_SUFFIXES
from shared.dicom.files import has_preamble, is_dicom
from shared.errors import DataError

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
MAX_PIXELS = 150_000_000
ORIENTATION = 274
_converted: set[str] = set()


class Photograph(NamedTuple):
    """Decoded pixels, uint8 ``[h, w, 3]`` RGB, and the size (height, width) the photograph has in full."""

    pixels_HW3: NDArray[np.uint8]
    full_size: tuple[int, int]


def read_photograph(
    path: str | Path, *, at_least: tuple[float, float] | None = None, upright: bool = True
) -> Photograph:
    """Decode a photograph, upright (EXIF orientation applied) or as its pixels are stored.

    Args:
        path: a file of one of `SUFFIXES`' kinds. Grey, palette, alpha, CMYK and 16-bit pictures are converted to RGB;
            each kind of conversion is logged once per process. DICOM: see `shared.dicom.photograph`.
        at_least: (height, width) that is enough. A JPEG is then decoded at the smallest of the scales 1, 1/2, 1/4, 1/8
            that is no smaller, which costs a fraction of the time; other formats are decoded in full.
        upright: apply the EXIF orientation. Not where labels were drawn on the stored pixels.

    Raises:
        DataError: for a missing, empty, truncated, corrupt or unknown file, or more than `MAX_PIXELS` pixels.
    """
    return decode_photograph(read_bytes(path), at_least=at_least, upright=upright, name=path)


def decode_photograph(
    content: bytes, *, at_least: tuple[float, float] | None = None, upright: bool = True, name: str | Path
) -> Photograph:
    """As `read_photograph`, from a file's content; ``name`` is what messages call it."""
    if has_preamble(content) or Path(name).suffix.lower() in DICOM_SUFFIXES:
        from shared.dicom.photograph import decode_photograph as decode_dicom

        pixels_HW3 = decode_dicom(content, name=name, max_pixels=MAX_PIXELS)
        return Photograph(pixels_HW3, (pixels_HW3.shape[0], pixels_HW3.shape[1]))
    try:
        with Image.open(io.BytesIO(content)) as image:
            turned = upright and orientation_of(image) >= 5
            width, height = image.size
            full_size = (width, height) if turned else (height, width)
            _check_pixels(width * height, name)
            if at_least is not None:
                wanted = at_least if turned else at_least[::-1]
                image.draft(None, (max(1, int(np.ceil(wanted[0]))), max(1, int(np.ceil(wanted[1])))))
            image.load()
            shown = ImageOps.exif_transpose(image) if upright else image
            return Photograph(_to_rgb(shown, name), full_size)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise _unreadable(error, name) from error


def photograph_size(path: str | Path, *, upright: bool = True) -> tuple[int, int]:
    """(height, width) of the photograph, upright or as stored, from its header, without decoding it."""
    if is_dicom(path):
        from shared.dicom.photograph import photograph_size as dicom_size

        return dicom_size(path)
    try:
        with Image.open(path) as image:
            width, height = image.size
            return (width, height) if upright and orientation_of(image) >= 5 else (height, width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(error, path) from error


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation of an opened picture: 1 as stored, 2 to 4 mirrored or upside down, 5 to 8 sides exchanged."""
    return int(image.getexif().get(ORIENTATION, 1))


def read_mask(
    path: str | Path, *, size: tuple[int, int] | None = None, photograph: str | Path = "its photograph"
) -> NDArray[np.bool_]:
    """Read a label mask.

    Palette files count by index, one-bit and grey ones by value, colour ones by their red channel alone (one IDRiD
    mask is RGBA with alpha 255 everywhere).

    Args:
        size: (height, width) that the mask must have.
        photograph: what the mask belongs to, for the message.

    Returns:
        bool ``[H, W]``, true on the lesion.

    Raises:
        DataError: for a file that cannot be read, another size than ``size``, or values other than 0, 1 and 255.
    """
    try:
        with Image.open(io.BytesIO(read_bytes(path))) as image:
            _check_pixels(image.size[0] * image.size[1], path)
            channels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise _unreadable(error, path) from error
    mask_HW = channels if channels.ndim == 2 else channels[..., 0]
    if size is not None and mask_HW.shape != tuple(size):
        raise DataError(
            f"mask {path} is {_by(mask_HW.shape)}, photograph {photograph} is {_by(size)} (width x height)",
            expected="a mask of exactly its photograph's size",
            fix="export the mask again at the photograph's own size, or remove it from the data set",
        )
    if mask_HW.dtype == np.bool_:
        return mask_HW
    lesion_HW = mask_HW > 0
    if not (lesion_HW.astype(mask_HW.dtype) == mask_HW).all() and not (mask_HW[lesion_HW] == 255).all():
        values = np.unique(mask_HW)
        wrong = values[~np.isin(values, (0, 1, 255))]
        if len(wrong):
            raise DataError(
                f"mask {path} has {len(wrong)} other values than 0, 1 and 255, such as {wrong[:5].tolist()}",
                expected="0 for background, and 1 or 255 for the lesion",
                fix="save the mask without loss (TIFF or PNG, not JPEG) and without anti-aliasing",
            )
    return lesion_HW


def read_bytes(path: str | Path) -> bytes:
    """A file's content; a missing, unreadable or empty one is a DataError."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(error, path) from error
    if not content:
        raise _unreadable(OSError("the file has 0 bytes"), path)
    return content


def _to_rgb(image: Image.Image, name: str | Path) -> NDArray[np.uint8]:
    if image.mode != "RGB":
        if image.mode not in _converted:
            _converted.add(image.mode)
            logger.warning("%s has mode %s and is converted to RGB, like all of its kind (said once)", name, image.mode)
        if image.mode.startswith("I"):
            grey_HW = np.asarray(image).astype(np.float64)
            top = 65535.0 if grey_HW.max() > 255 else 255.0
            grey_HW = np.rint(np.clip(grey_HW, 0, top) * (255.0 / top)).astype(np.uint8)
            return np.repeat(grey_HW[..., None], 3, axis=2)
        if image.mode == "F":
            raise ValueError("floating-point pictures have no known value range")
        if "A" in image.mode or "transparency" in image.info:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
        image = image.convert("RGB")
    return np.asarray(image)


def _check_pixels(pixels: int, name: str | Path) -> None:
    if pixels > MAX_PIXELS:
        raise DataError(
            f"{name} claims {pixels / 1e6:.0f} million pixels",
            expected=f"at most {MAX_PIXELS / 1e6:.0f} million; a file this large is most likely damaged or hostile",
            fix="scale the photograph down, or take it out of the folder",
        )


def _unreadable(error: Exception, name: str | Path) -> DataError:
    if isinstance(error, DataError):
        return error
    cause = "no picture format that can be read here" if isinstance(error, UnidentifiedImageError) else str(error)
    if isinstance(error, FileNotFoundError):
        cause = "there is no such file"
    return DataError(
        f"cannot read {name}: {cause}",
        expected=f"a whole picture file ({', '.join(SUFFIXES)})",
        fix="copy or download the file again (compare its size with the source), or take it out of the folder",
    )


def _by(size: Sequence[int]) -> str:
    return f"{size[1]}x{size[0]}"


# A truncated file must raise, whoever else in the process asked for tolerance.
assert not ImageFile.LOAD_TRUNCATED_IMAGES
