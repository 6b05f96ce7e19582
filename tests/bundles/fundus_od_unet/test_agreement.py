"""Measures of agreement against scipy's distance transform, hand-counted corners and shifted circles."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt

pytestmark = pytest.mark.usefixtures("fundus_scripts")
SIZE = (90, 120)


def circle(centre_y, centre_x, radius, size=SIZE):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows - centre_y) ** 2 + (columns - centre_x) ** 2 <= radius**2


def blob(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, bool)
    for _ in range(4):
        mask |= circle(*rng.uniform((30, 40), (60, 80)), rng.uniform(6, 14))
    return mask


def distances(one, other):
    """Each mask's edge pixels to the other's edge, by exact distance transforms of the whole picture."""
    edges = [mask & ~binary_erosion(mask) for mask in (one, other)]
    away = [distance_transform_edt(~edge) for edge in edges]
    return away[1][edges[0]], away[0][edges[1]]


@pytest.mark.parametrize("seed", range(4))
def test_edge_distances_are_those_of_whole_distance_maps(seed):
    from scripts.agreement import edge_distances

    one, other = blob(seed), blob(seed + 10)
    there, back = distances(one, other)
    hd95, assd = edge_distances(one, other)
    assert hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-4)
    assert assd == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-4)
    assert edge_distances(other, one) == pytest.approx((hd95, assd), abs=1e-5)


def test_concentric_circles_are_as_far_apart_as_their_radii_differ():
    from scripts.agreement import edge_distances

    hd95, assd = edge_distances(circle(45, 60, 30), circle(45, 60, 25))
    assert hd95 == pytest.approx(5, abs=0.8)
    assert assd == pytest.approx(5, abs=0.5)


def test_a_disc_cut_by_the_border_has_an_edge_there():
    from scripts.agreement import edge_distances

    one, other = circle(0, 60, 20), circle(0, 60, 20)
    other[:4] = False
    there, back = distances(np.pad(one, 1), np.pad(other, 1))
    assert edge_distances(one, other)[1] == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-4)
    assert edge_distances(one, other)[1] > 0


def test_measures_of_a_photograph():
    from scripts.agreement import agreement

    disc, cup = circle(45, 60, 30), circle(45, 60, 15)
    found = {"disc": circle(45, 63, 30), "cup": circle(45, 60, 18)}
    values = agreement(found, {"disc": disc, "cup": cup})
    hits = (disc & found["disc"]).sum()
    assert values["disc", "dice"] == pytest.approx(2 * hits / (disc.sum() + found["disc"].sum()))
    assert values["disc", "iou"] == pytest.approx(hits / (disc | found["disc"]).sum())
    assert values["disc", "hd95_px"] == pytest.approx(3, abs=0.2)
    assert values["disc", "hd95_dd"] == pytest.approx(values["disc", "hd95_px"] / (2 * np.sqrt(disc.sum() / np.pi)))
    assert values["cup", "assd_dd"] == pytest.approx(values["cup", "assd_px"] / 60, rel=0.02)
    assert values["vertical_cup_to_disc", "bias"] == pytest.approx(37 / 61 - 31 / 61)
    assert values["vertical_cup_to_disc", "error"] == values["vertical_cup_to_disc", "bias"]


def test_what_an_empty_mask_counts():
    from scripts.agreement import agreement

    nothing, disc = np.zeros(SIZE, bool), circle(45, 60, 30)
    missed = agreement({"disc": nothing, "cup": nothing}, {"disc": disc, "cup": nothing})
    assert missed["disc", "dice"] == missed["disc", "iou"] == missed["disc", "found"] == 0
    assert np.isnan([missed["disc", name] for name in ("hd95_px", "hd95_dd", "assd_px", "assd_dd")]).all()
    assert missed["cup", "dice"] == 1
    assert np.isnan(missed["vertical_cup_to_disc", "error"])
    no_cup = agreement({"disc": disc, "cup": nothing}, {"disc": disc, "cup": circle(45, 60, 15)})
    assert no_cup["cup", "dice"] == 0
    assert no_cup["vertical_cup_to_disc", "bias"] == pytest.approx(-31 / 61)
    assert ("cup", "dice") not in agreement({"disc": disc, "cup": nothing}, {"disc": disc})
