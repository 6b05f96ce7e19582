"""Where the frames of a DICOM image lie, from its functional groups: planes one by one, and as a volume."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.data.volume_header import is_physical, nested
from shared.data.volume_writing import VolumeGeometry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

logger = logging.getLogger(__name__)

EVEN, PARALLEL = 0.01, 0.999


class Planes(NamedTuple):
    """What a file says of its frames; ``None`` where it does not, or not the same of all frames.

    ``spacing_yx`` between rows and between columns, ``thickness`` of a frame and ``between`` frames in mm;
    ``cosines_6``: the direction of a row, then of a column; ``positions_N3``: centres of the first pixels (LPS, mm).
    """

    spacing_yx: tuple[float, float] | None
    thickness: float | None
    between: float | None
    cosines_6: NDArray[np.float64] | None
    positions_N3: NDArray[np.float64] | None


def planes_of(dataset: Dataset) -> Planes:
    """Read the functional groups of pixel measures, plane orientation and plane position, shared or per frame; where
    there are none, the same elements of a single-frame image.
    """
    measures = _items(dataset, "PixelMeasuresSequence")
    spacings = _values(measures, "PixelSpacing", 2)
    thickness, between = _values(measures, "SliceThickness", 1), _values(measures, "SpacingBetweenSlices", 1)
    cosines = _values(_items(dataset, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = _same(spacings)
    return Planes(
        None if spacing is None else (float(spacing[0]), float(spacing[1])),
        None if _same(thickness) is None else float(_same(thickness)[0]),  # type: ignore[index]
        None if _same(between) is None else abs(float(_same(between)[0])),  # type: ignore[index]
        _same(cosines),
        _values(_items(dataset, "PlanePositionSequence"), "ImagePositionPatient", 3),
    )


def geometry_of(dataset: Dataset, *, name: str | Path) -> tuple[VolumeGeometry, bool]:
    """The frames as one volume, as ITK says it, and whether that is physical.

    The step between frames is that of their positions, which must be even and perpendicular to the frames; without
    positions ``SpacingBetweenSlices``; of a single frame its thickness. The thickness of several frames is the width of
    the beam rather than a distance and is not taken for one. Without a step, or with frames that are not parallel
    (radial scans), nothing is known in mm.
    """
    planes = planes_of(dataset)
    size = (number_of_frames(dataset), int(dataset.Rows), int(dataset.Columns))
    step = _step(planes, size[0])
    if planes.spacing_yx is None or step is None:
        logger.warning("%s: its frames are no evenly spaced stack of known spacing: nothing is said in mm", name)
        return VolumeGeometry(size), False
    direction = np.eye(3)
    if planes.cosines_6 is not None:
        direction[:, 0], direction[:, 1] = planes.cosines_6[:3], planes.cosines_6[3:]
        direction[:, 2] = step / np.linalg.norm(step)
    origin = (0.0, 0.0, 0.0) if planes.positions_N3 is None else tuple(planes.positions_N3[0].tolist())
    spacing = (planes.spacing_yx[1], planes.spacing_yx[0], float(np.linalg.norm(step)))
    if not is_physical(spacing):
        return VolumeGeometry(size), False
    return VolumeGeometry(size, spacing, origin, nested(direction)), True


def number_of_frames(dataset: Dataset) -> int:
    """1 where nothing is said."""
    return int(dataset.get("NumberOfFrames") or 1)


def _step(planes: Planes, count: int) -> NDArray[np.float64] | None:
    """From one frame to the next, where that is the same for all."""
    cosines_6 = planes.cosines_6 if planes.cosines_6 is not None else np.array([1.0, 0, 0, 0, 1, 0])
    normal = np.cross(cosines_6[:3], cosines_6[3:])
    if count == 1:
        return None if not planes.thickness else normal * planes.thickness
    if planes.positions_N3 is None or planes.cosines_6 is None:
        nominal = planes.positions_N3 is None and planes.between
        return normal * planes.between if nominal and planes.between else None
    steps_N3 = np.diff(planes.positions_N3, axis=0)
    mean = steps_N3.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not math.isfinite(length) or length == 0 or abs(steps_N3 - mean).max() > EVEN * length:
        return None
    return np.asarray(mean) if abs(float(normal @ mean)) / length > PARALLEL else None


def _items(dataset: Dataset, keyword: str) -> list[Any]:
    """The functional group of every frame (`None` without one), from where it is."""
    shared_groups = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [None] * number_of_frames(dataset))
    found = []
    for place in frames:
        groups = [group[keyword][0] for group in (place, shared_groups) if group is not None and group.get(keyword)]
        found.append(groups[0] if groups else None)
    return found if any(item is not None for item in found) else [dataset]


def _values(items: list[Any], keyword: str, length: int) -> NDArray[np.float64] | None:
    """Numbers of every frame, [N, length]; `None` where one lacks them."""
    rows = [item.get(keyword) if item is not None else None for item in items]
    if any(row in (None, "") for row in rows):
        return None
    values = np.array([np.atleast_1d(np.asarray(row, np.float64)) for row in rows])
    return values if values.shape == (len(rows), length) and np.isfinite(values).all() else None


def _same(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """The one row that all frames have."""
    return values[0] if values is not None and np.allclose(values, values[0], rtol=1e-4, atol=1e-6) else None
