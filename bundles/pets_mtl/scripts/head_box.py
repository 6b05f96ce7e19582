"""The box of an animal's head in its XML file (PASCAL VOC's form)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from shared.errors import DataError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
MAX_BYTES = 100_000


def read_head_box(path: str | Path) -> tuple[float, float, float, float] | None:
    """The first object's box in pixels (left, top, right, bottom), or None where the file has no object.

    VOC counts pixels from 1 and the last one belongs to the box, so ``xmin`` 1 and ``xmax`` 10 are 0.0 and 10.0: the
    files' smallest values are 1 and the largest the image's size.

    Raises:
        DataError: no XML, an object without its four numbers, a box turned round, or one outside the size that the
            file states.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES or b"<!ENTITY" in content:
            raise ValueError("it is no annotation")
        tree = ElementTree.fromstring(content)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise _refused(path, f"cannot be read: {error}") from error
    drawn = tree.find("object")
    if drawn is None:
        return None
    try:
        left, top, right, bottom = (float(drawn.findtext(f"bndbox/{corner}", "")) for corner in CORNERS)
    except ValueError as error:
        raise _refused(path, f"has an object without four numbers ({error})") from error
    box = left - 1, top - 1, right, bottom
    size = [tree.findtext(f"size/{side}", "") for side in ("height", "width")]
    check_box(box, size=(int(size[0]), int(size[1])) if all(map(str.isdecimal, size)) else None, path=path)
    return box


def check_box(box: tuple[float, float, float, float], *, size: tuple[int, int] | None, path: str | Path) -> None:
    """Refuse a box that is turned round, or not within (height, width).

    Raises:
        DataError: it names ``path``.
    """
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise _refused(path, f"has a box turned round or empty: {_said(box)}")
    if not (left >= 0 and top >= 0) or (size is not None and (right > size[1] or bottom > size[0])):
        image = f" of {size[1]}x{size[0]} (width x height)" if size else ""
        raise _refused(path, f"has a box outside the image{image}: {_said(box)}")


def _said(box: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = box
    return f"xmin {left + 1:g}, ymin {top + 1:g}, xmax {right:g}, ymax {bottom:g}"


def _refused(path: str | Path, problem: str) -> DataError:
    return DataError(
        f"{path} {problem}",
        expected="1 <= xmin <= xmax <= width and 1 <= ymin <= ymax <= height, in pixels of the image",
        fix="correct or remove the file (its image then has no box), or set `allow_missing` to true to go on without",
    )
