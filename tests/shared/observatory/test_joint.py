"""The plane of several runs against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.errors import DataError
from shared.observatory.joint import joint_plane, random_walks_share
from shared.observatory.plane import dot, norm
from tests.support.bowl import CURVATURE_P, flat

Weights = dict[str, torch.Tensor]


def descent(*axes: int, steps: int = 6) -> list[Weights]:
    """Gradient descent on the bowl along some axes from one start."""
    start, moving = torch.full((8,), 1.5, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)
    moving[list(axes)] = 1
    points = [start * (1 - 0.1 * CURVATURE_P.double() * moving) ** step for step in range(steps)]
    return [{"weight": point[:6].reshape(3, 2), "bias": point[6:]} for point in points]


TIMES = {"a": list(range(6)), "b": list(range(6))}


def test_two_descents_along_two_axes_lie_in_the_plane() -> None:
    runs = {"a": descent(1), "b": descent(7)}
    found = joint_plane(runs, times=TIMES)
    assert found.explained_2.sum() == pytest.approx(1, abs=1e-12)
    first, second = found.plane.first, found.plane.second
    assert (norm(first), norm(second)) == (pytest.approx(1), pytest.approx(1))
    assert dot(first, second) == pytest.approx(0, abs=1e-9)
    middle = (flat(runs["a"][-1]) + flat(runs["b"][-1])) / 2
    torch.testing.assert_close(flat(dict(found.plane.centre)), middle)
    for name, snapshots in runs.items():
        for (alpha, beta), snapshot in zip(found.paths[name], snapshots, strict=True):
            torch.testing.assert_close(flat(found.plane.point(alpha, beta)), flat(snapshot), atol=1e-9, rtol=0)


def test_components_are_those_of_the_singular_values() -> None:
    runs = {"a": descent(0, 1, 6), "b": descent(2, 4), "c": descent(5, 7, steps=4)}
    found = joint_plane(runs, times=TIMES | {"c": list(range(4))})
    points = np.stack([flat(item).numpy() for snapshots in runs.values() for item in snapshots])
    matrix = points - np.mean([flat(snapshots[-1]).numpy() for snapshots in runs.values()], axis=0)
    _, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(found.explained_2, singular[:2] ** 2 / (singular**2).sum(), rtol=1e-9)
    directions = np.stack([flat(dict(item)).numpy() for item in (found.plane.first, found.plane.second)])
    np.testing.assert_allclose(np.concatenate(list(found.paths.values())), matrix @ directions.T, atol=1e-9)
    assert [len(path_N2) for path_N2 in found.paths.values()] == [6, 6, 4]


def test_share_of_random_walks_is_that_of_drawn_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    times = {"a": [0, 1, 2, 4, 8], "b": [0, 4, 8], "c": [0, 2, 4, 6]}
    runs = {}
    for name, own in times.items():
        walk = torch.cat([torch.zeros(1, 40000), torch.randn(8, 40000, generator=generator).cumsum(0)])
        runs[name] = [{"weight": walk[time]} for time in own]
    found = joint_plane(runs, times=times)
    np.testing.assert_allclose(found.explained_2, found.walk_2, atol=0.01)
    assert f"{found.walk_2.sum():.1%}" in found.text


def test_one_walk_is_the_baseline_of_one_run() -> None:
    from shared.observatory.trajectory import random_walk_share

    np.testing.assert_allclose(random_walks_share([range(9)]), random_walk_share(range(9)), rtol=1e-9)


def test_bad_runs() -> None:
    with pytest.raises(DataError, match="1 runs"):
        joint_plane({"a": descent(1)}, times=TIMES)
    with pytest.raises(DataError, match="other parameters or shapes"):
        joint_plane({"a": descent(1), "b": [{"weight": torch.zeros(3)}]}, times=TIMES)
    with pytest.raises(DataError, match="on one line or are all equal"):
        joint_plane({"a": descent(1), "b": descent(1)}, times=TIMES)
