"""Every picture's header: can it be opened, how large is it, what kind of pixels; nothing decoded that looks sound."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image

from scripts.doctor.files import Survey
from scripts.idrid import Entry
from shared.data.field_of_view import MIN_PIXELS
from shared.data.photograph import photograph_size, read_mask, read_photograph
from shared.doctor import ERROR, NOTE, Diagnosis, Picture
from shared.errors import DataError
from shared.progress import progress_bar

JPEG_END, TAIL = b"\xff\xd9", 4096
HOW_READ = {
    "1": "1-bit without palette, read by value",
    "L": "grey, read by value",
    "P": "palette, read by index",
    "RGB": "colour, its red channel alone is read",
    "RGBA": "colour with alpha, its red channel alone is read (alpha is ignored)",
    "LA": "grey with alpha, grey alone is read",
}


def check_headers(survey: Survey, diagnosis: Diagnosis) -> dict[str, tuple[int, int]]:
    """Sizes (height, width) by the photograph's name; a photograph or mask that cannot be opened is left out.

    A mask that cannot be opened or has another size is taken off its entry, so that nothing later stumbles over it.
    """
    sizes: dict[str, tuple[int, int]] = {}
    modes: Counter[str] = Counter()
    photograph_modes: dict[str, list[Entry]] = {}
    odd: dict[str, list[tuple[Entry, str]]] = {}
    for entry in progress_bar(survey.entries, desc="headers", unit="photo", disable=len(survey.entries) < 100):
        try:
            size = photograph_size(entry.image)
            mode = _sound(entry.image)
        except DataError as error:
            _unreadable(survey, entry.image, "photograph", error, diagnosis)
            size = None
        if size is not None:
            sizes[entry.name] = size
            if min(size) < MIN_PIXELS:
                message = f"{size[1]}x{size[0]} pixels, the least is {MIN_PIXELS}"
                fix = "give the photograph in its original size"
                pictures = [Picture(entry.image)]
                diagnosis.add(ERROR, "photograph too small", message, entry.name, fix=fix, pictures=pictures)
            if mode != "RGB":
                photograph_modes.setdefault(mode, []).append(entry)
        for kind, path in list(entry.masks.items()):
            try:
                mask_mode = _mask(survey, entry, kind, path, size, diagnosis)
            except DataError as error:
                _unreadable(survey, path, "mask", error, diagnosis)
                mask_mode = None
            if mask_mode is None:
                del entry.masks[kind]
            else:
                modes[mask_mode] += 1
                odd.setdefault(mask_mode, []).append((entry, kind))
    for mode, entries in photograph_modes.items():
        pictures = [Picture(entry.image) for entry in entries]
        message = f"{len(entries)} of mode {mode}, converted to RGB when read"
        kind = "grey, palette or alpha photograph"
        diagnosis.add(NOTE, kind, message, *_names([entry.name for entry in entries]), pictures=pictures[:5])
    for mode, masks in odd.items():
        if mode != "P":
            subjects = _names([survey.name(entry.masks[kind]) for entry, kind in masks])
            pictures = [Picture(entry.image, {kind: entry.masks[kind]}) for entry, kind in masks]
            how = HOW_READ.get(mode, f"mode {mode}")
            message = f"{len(masks)} of {modes.total()} masks: {how}"
            diagnosis.add(NOTE, "mask that is no palette file", message, *subjects, pictures=pictures[:5])
    return sizes


def _sound(path: Path) -> str:
    """The mode, from the header; a JPEG without its end marker is decoded, to be sure whether it is truncated."""
    with Image.open(path) as image:
        mode, kind = image.mode, image.format
    if kind == "JPEG" and JPEG_END not in _tail(path):
        read_photograph(path)
    return mode


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL))
        return stream.read()


def _mask(
    survey: Survey, entry: Entry, kind: str, path: Path, size: tuple[int, int] | None, diagnosis: Diagnosis
) -> str | None:
    try:
        with Image.open(path) as image:
            mode, (width, height) = image.mode, image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        read_mask(path)  # says in its error what is wrong
        raise
    if size is None or (height, width) == size:
        return mode
    message = f"{width}x{height}, its photograph {entry.name} is {size[1]}x{size[0]}"
    fix = "export the mask at the photograph's own size, or remove it"
    pictures = [Picture(path), Picture(entry.image)]
    diagnosis.add(ERROR, "mask of another size", message, survey.name(path), entry.name, fix=fix, pictures=pictures)
    return None


def _unreadable(survey: Survey, path: Path, what: str, error: DataError, diagnosis: Diagnosis) -> None:
    empty = path.is_file() and path.stat().st_size == 0
    kind = f"{what} file of 0 bytes" if empty else f"{what} that cannot be read"
    reason = "the file has 0 bytes" if empty else error.received.replace(str(path), path.name)
    diagnosis.add(ERROR, kind, reason, survey.name(path), fix=error.fix, pictures=[Picture(path)])


def _names(names: list[str]) -> list[str]:
    return [*names[:5], f"and {len(names) - 5} more"] if len(names) > 5 else names
