import numpy as np
import pytest

from shared.data.geometry import Geometry
from shared.report.findings import find_disc, find_lesions, largest_component, retina_area, touches_border


def circle(size, centre_y, centre_x, diameter):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows - centre_y) ** 2 + (columns - centre_x) ** 2 <= (diameter / 2) ** 2


def flood_count(mask):
    """Components by a plain flood fill with all eight neighbours."""
    left = {tuple(place) for place in np.argwhere(mask)}
    count = 0
    while left:
        count += 1
        stack = [left.pop()]
        while stack:
            row, column = stack.pop()
            for step in np.ndindex(3, 3):
                place = (row + step[0] - 1, column + step[1] - 1)
                if place in left:
                    left.remove(place)
                    stack.append(place)
    return count


@pytest.mark.parametrize("seed", range(3))
def test_count_is_a_flood_fills(seed):
    mask = np.random.default_rng(seed).random((30, 41)) < 0.15
    lesions = find_lesions(mask, retina_px=1000)
    assert lesions.number == flood_count(mask)
    assert lesions.area_px == mask.sum()
    assert lesions.retina_share == pytest.approx(mask.sum() / 1000)


def test_corners_touch():
    assert find_lesions(np.eye(4, dtype=bool), retina_px=16).number == 1
    assert find_lesions(np.zeros((4, 4), bool), retina_px=16) == (0, 0, 0.0)


def test_disc_is_the_largest_component():
    mask = circle((200, 300), 80.0, 211.0, 61.0) | circle((200, 300), 150.0, 40.0, 11.0)
    disc = find_disc(mask)
    assert (disc.centre_x, disc.centre_y) == pytest.approx((211, 80), abs=0.01)
    assert disc.diameter_px == pytest.approx(61, abs=0.5)
    assert find_disc(np.zeros((5, 5), bool)) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_component_is_scipys(seed):
    from scipy import ndimage

    mask = np.random.default_rng(seed).random((30, 41)) < 0.3
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
    assert np.array_equal(largest_component(mask), labels == 1 + sizes.argmax())
    assert not largest_component(np.zeros((4, 5), bool)).any()


@pytest.mark.parametrize(("place", "cut"), [((0, 3), True), ((5, 8), True), ((3, 0), True), ((3, 3), False)])
def test_a_mask_at_the_border_is_cut(place, cut):
    mask = np.zeros((6, 9), bool)
    mask[place] = True
    assert touches_border(mask) is cut


@pytest.mark.parametrize(("centre_y", "centre_x", "diameter"), [(60, 80, 90), (60, 75, 150), (50.5, 80.25, 300)])
def test_retina_is_the_disc_within_the_photograph(centre_y, centre_x, diameter):
    size = (120, 160)
    geometry = Geometry(*size, centre_y, centre_x, diameter, 1.0, 0.0, 0.0)
    assert retina_area(geometry, size) == pytest.approx(circle(size, centre_y, centre_x, diameter).sum(), rel=0.01)


def test_unknown_field_is_the_whole_photograph():
    assert retina_area(None, (12, 10)) == 120
