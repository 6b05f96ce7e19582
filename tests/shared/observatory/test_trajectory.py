"""The plane of a training against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.errors import DataError
from shared.observatory.plane import dot, norm
from shared.observatory.trajectory import principal_plane, project, random_walk_share
from tests.support.bowl import CURVATURE_P, Bowl, flat

Weights = dict[str, torch.Tensor]


def descent(axes: tuple[int, ...], *, steps: int = 12, rate: float = 0.1) -> list[Weights]:
    """Gradient descent on the bowl, closed form: each coordinate decays by ``1 - rate * curvature``."""
    start = torch.zeros(8, dtype=torch.float64)
    start[list(axes)] = torch.tensor([2.0, -1.5, 1.0][: len(axes)], dtype=torch.float64)
    points = [start * (1 - rate * CURVATURE_P.double()) ** step for step in range(steps)]
    return [{"weight": point[:6].reshape(3, 2), "bias": point[6:]} for point in points]


def test_a_descent_in_two_directions_lies_in_its_plane() -> None:
    snapshots = descent((1, 7))
    found = principal_plane(snapshots)
    assert found.explained_2.sum() == pytest.approx(1, abs=1e-12)
    for direction in (found.plane.first, found.plane.second):
        vector = flat(direction)
        assert norm(direction) == pytest.approx(1)
        assert float(vector[[1, 7]].square().sum()) == pytest.approx(1)
    assert dot(found.plane.first, found.plane.second) == pytest.approx(0, abs=1e-9)
    for (alpha, beta), snapshot in zip(found.path_N2, snapshots, strict=True):
        torch.testing.assert_close(flat(found.plane.point(alpha, beta)), flat(snapshot), atol=1e-9, rtol=0)


def test_components_are_those_of_the_singular_values() -> None:
    snapshots = descent((0, 1, 6))
    found = principal_plane(snapshots)
    points = np.stack([flat(snapshot).numpy() for snapshot in snapshots])
    matrix = points[:-1] - points[-1]
    _, singular, rows = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(found.explained_2, singular[:2] ** 2 / (singular**2).sum(), rtol=1e-9)
    for direction, row in zip((found.plane.first, found.plane.second), rows, strict=False):
        assert abs(float(flat(direction) @ torch.from_numpy(row))) == pytest.approx(1)
    directions = np.stack([flat(direction).numpy() for direction in (found.plane.first, found.plane.second)])
    np.testing.assert_allclose(found.path_N2[:-1], matrix @ directions.T, atol=1e-9)
    np.testing.assert_array_equal(found.path_N2[-1], 0)


def test_projection_meets_the_path_and_is_the_nearest_point() -> None:
    snapshots = descent((0, 1, 6))
    found = principal_plane(snapshots)
    np.testing.assert_allclose(project(snapshots[2], found.plane), found.path_N2[2], atol=1e-9)
    # Skew directions: what is left is at right angles to both.
    skew = found.plane._replace(second={n: v + 0.7 * found.plane.first[n] for n, v in found.plane.second.items()})
    alpha, beta = project(snapshots[0], skew)
    left = flat(snapshots[0]) - flat(skew.point(alpha, beta))
    assert float(left.norm()) > 1e-3
    for direction in (skew.first, skew.second):
        assert float(left @ flat(direction)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [3, 12, 200])
def test_random_walk_is_its_closed_form(count: int) -> None:
    k = np.arange(1, count + 1)
    values = 1 / (4 * np.sin((2 * k - 1) * np.pi / (4 * count + 2)) ** 2)
    np.testing.assert_allclose(random_walk_share(range(count + 1)), values[:2] / values.sum(), rtol=1e-9)


def test_two_components_tell_ninety_per_cent_of_a_walk() -> None:
    assert random_walk_share(range(1001)).sum() == pytest.approx(0.9006, abs=1e-3)
    generator = torch.Generator().manual_seed(0)
    walk = torch.randn(21, 20000, generator=generator).cumsum(0)
    found = principal_plane([{"weight": point} for point in walk])
    np.testing.assert_allclose(found.explained_2, found.walk_2, atol=0.01)
    assert "of a random walk 90" in found.text


def test_snapshots_at_other_times() -> None:
    """A walk seen after 1, 2 and 10 steps: products of the differences by hand."""
    times = [0, 8, 9, 10]
    gram = np.array([[10, 2, 1], [2, 2, 1], [1, 1, 1.0]])
    values = np.linalg.eigvalsh(gram)[::-1]
    np.testing.assert_allclose(random_walk_share(times), values[:2] / 13)


@pytest.mark.parametrize(
    ("count", "times", "message"),
    [(2, None, "2 snapshots"), (4, [0, 2, 1, 3], "4 snapshots at times"), (4, [0, 1], "4 snapshots at times")],
)
def test_bad_snapshots(count: int, times: list[int] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        principal_plane(descent((0, 1), steps=count), times=times)


def test_snapshots_on_a_line_or_of_other_shapes() -> None:
    with pytest.raises(DataError, match="on one line"):
        principal_plane(descent((0,)))
    with pytest.raises(DataError, match="on one line or are all equal"):
        principal_plane([dict(Bowl().named_parameters())] * 4)
    with pytest.raises(DataError, match="other parameters or shapes"):
        principal_plane([*descent((0, 1)), {"weight": torch.zeros(2)}])
