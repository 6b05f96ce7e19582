"""Ratio and rim profile against circles and ellipses whose widths are known."""

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def ellipse(half_y, half_x, *, centre=(150, 160), size=(300, 320)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((rows - centre[0]) / half_y) ** 2 + ((columns - centre[1]) / half_x) ** 2 <= 1


def radius(angle, half_y, half_x):
    """Of an ellipse, along a ray from its centre."""
    return 1 / np.hypot(np.sin(angle) / half_y, np.cos(angle) / half_x)


def chord(angle, shift_y, shift_x, own):
    """Length of a ray from the origin inside a circle of radius ``own`` about (shift_y up, shift_x right)."""
    along = shift_x * np.cos(angle) + shift_y * np.sin(angle)
    root = along**2 + own**2 - shift_x**2 - shift_y**2
    ends = along[:, None] + np.sqrt(np.clip(root, 0, None))[:, None] * [-1, 1]
    return np.where(root > 0, np.clip(ends, 0, None) @ [-1, 1], 0)


def test_vertical_ratio():
    from scripts.rim import vertical_extent, vertical_ratio

    disc, cup = ellipse(100, 60), ellipse(40, 55)
    assert vertical_extent(disc) == 201
    assert vertical_ratio(disc, cup) == 81 / 201
    assert vertical_ratio(disc, np.zeros_like(disc)) == 0
    assert np.isnan(vertical_ratio(np.zeros_like(disc), cup))


@pytest.mark.parametrize("cup", [(40, 40), (55, 30)])
def test_profile_of_concentric_ellipses(cup):
    from scripts.rim import rim_profile

    profile = rim_profile(ellipse(100, 80), ellipse(*cup))
    angle_A = np.deg2rad(profile.angle_A)
    assert len(angle_A) == 72
    assert profile.angle_A[:3] == pytest.approx([0, 5, 10])
    assert profile.width_A == pytest.approx(radius(angle_A, 100, 80) - radius(angle_A, *cup), abs=1.3)


@pytest.mark.parametrize(("up", "right"), [(20, 0), (0, 30), (-45, 20)], ids=["above", "right", "far below"])
def test_profile_of_a_cup_beside_the_centre(up, right):
    """Also of one that does not hold the disc's centre, and angles turn from the right over the top."""
    from scripts.rim import rim_profile

    profile = rim_profile(ellipse(100, 100), ellipse(30, 30, centre=(150 - up, 160 + right)), angles=24)
    angle_A = np.deg2rad(profile.angle_A)
    assert profile.width_A == pytest.approx(100 - chord(angle_A, up, right, 30), abs=2.5)


def test_quadrants_have_the_eyes_own_names():
    from scripts.rim import quadrants, rim_profile

    profile = rim_profile(ellipse(100, 100), ellipse(40, 40, centre=(150, 190)))
    right, left, unknown = (quadrants(profile, eye=eye) for eye in ("right", "left", "unknown"))
    assert min(right, key=right.get) == "nasal"
    assert min(left, key=left.get) == "temporal"
    assert min(unknown, key=unknown.get) == "picture_right"
    assert right["nasal"] == left["temporal"] == unknown["picture_right"]
    assert right["superior"] == right["inferior"]
    mirrored = quadrants(rim_profile(ellipse(100, 100), ellipse(40, 40, centre=(150, 130))), eye="left")
    assert mirrored == pytest.approx(right, abs=1e-9)
    raised = quadrants(rim_profile(ellipse(100, 100), ellipse(40, 40, centre=(120, 160))), eye="right")
    assert min(raised, key=raised.get) == "superior"


def test_without_a_disc_there_is_no_profile_and_without_a_cup_all_is_rim():
    from scripts.rim import rim_profile

    disc, nothing = ellipse(50, 50), np.zeros((300, 320), bool)
    assert rim_profile(nothing, nothing) is None
    assert rim_profile(disc, nothing).width_A == pytest.approx(50, abs=0.9)
    cut = ellipse(50, 50, centre=(10, 160))
    assert rim_profile(cut, nothing).width_A.max() < 60
