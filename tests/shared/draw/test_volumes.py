import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import find_objects, label

from shared.draw import look
from shared.draw.bscans import BScanPicture, draw_bscan, draw_bscan_strip, paint_classes
from shared.draw.volumes import draw_score_boxes, draw_thickness_map, draw_volume_agreement

CLASSES = ["IRF", "SRF", "PED"]


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def has_colour(picture, colour, tolerance=3):
    return (np.abs(picture.astype(int) - look.rgb(colour)).max(-1) <= tolerance).any()


def not_cut(picture):
    return all((edge == 255).all() for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]))


def labels(height=60, width=90):
    drawn = np.zeros((height, width), np.uint8)
    for fluid in (1, 2, 3):
        drawn[10:30, 20 * fluid : 20 * fluid + 10] = fluid
    return drawn


def picture(names):
    drawn = labels()
    maps = np.stack([(drawn == position) * 255 for position in range(4)]).astype(np.uint8)
    scan = np.full(drawn.shape, 90, np.uint8)
    own = dict.fromkeys(names, drawn), dict.fromkeys(names, maps), dict.fromkeys(names, "IRF Dice 0.61 IoU 0.44")
    return BScanPicture("Cirrus/A, B-scan 7", scan, drawn, *own, caption="(volume 1 of 3)")


def test_fluids_have_fixed_colours_that_are_no_errors():
    colours = {look.colour_of(name, names) for names in (CLASSES, CLASSES[::-1]) for name in names}
    assert len(colours) == 3
    assert not colours & {look.HIT, look.MISS, look.FALSE_ALARM}
    assert look.line_colour_of("student_Dice_PED", 5) == look.FLUID_LINES["PED"]
    assert look.colour_of("fluid", ["fluid"]) == look.FLUID_COLOURS["fluid"]


def test_classes_are_painted_where_they_are():
    painted = paint_classes(np.full((60, 90, 3), 90, np.uint8), labels(), CLASSES)
    changed = (painted != 90).any(-1)
    assert changed[9:31, 19:31].all()
    assert changed.sum() == 3 * 22 * 12
    np.testing.assert_array_equal(painted[9, 40], look.rgb(look.FLUID_COLOURS["SRF"]))


@pytest.mark.parametrize("names", [["pred"], ["teacher", "student"]])
def test_published_figure(tmp_path, names):
    drawn = pixels(draw_bscan(picture(names), tmp_path / "x.png", classes=CLASSES, phantom=True))
    assert drawn.shape[1] == round(2.3 * 7 * 125)
    assert not_cut(drawn)
    for name in CLASSES:
        assert has_colour(drawn, look.FLUID_COLOURS[name])


def test_strip_of_an_inferred_volume(tmp_path):
    scan = np.full((60, 90), 90, np.uint8)
    path = draw_bscan_strip(
        [("central B-scan 3", scan, labels()), ("most fluid: B-scan 4", scan, labels())],
        tmp_path / "x.png",
        classes=CLASSES,
        title="Cirrus/A",
        labels=dict.fromkeys(CLASSES, "0.1 mm3"),
    )
    assert has_colour(pixels(path), look.FLUID_COLOURS["PED"])


@pytest.mark.parametrize("names", [["pred"], ["teacher", "student", "ensemble"]])
def test_boxes_and_agreement(tmp_path, names):
    generator = np.random.default_rng(0)
    vendors = ("Cirrus", "Spectralis", "Topcon")
    scores = {
        fluid: {vendor: {name: generator.uniform(size=6) for name in names} for vendor in vendors} for fluid in CLASSES
    }
    scores["PED"]["Topcon"][names[0]][:] = np.nan
    drawn = pixels(draw_score_boxes(scores, tmp_path / "b.png"))
    assert not_cut(drawn)
    assert has_colour(drawn, look.FLUID_LINES["IRF"] if len(names) == 1 else look.LINES[2])
    pairs = {fluid: {name: (generator.lognormal(size=6), np.zeros(6)) for name in names} for fluid in CLASSES}
    pairs["PED"][names[0]] = np.zeros(6), np.zeros(6)
    assert not_cut(pixels(draw_volume_agreement(pairs, tmp_path / "v.png", unit="mm^3")))
    nothing = {"fluid": {"pred": (np.zeros(1), np.zeros(1))}}
    assert draw_volume_agreement(nothing, tmp_path / "n.png", unit="voxels").is_file()


def box_of_the_map(drawn):
    """Height and width of the largest dark area, which is the map (the colour bar has the next)."""
    areas = find_objects(label(drawn.max(-1) < 40)[0])
    rows, columns = max(areas, key=lambda area: (area[0].stop - area[0].start) * (area[1].stop - area[1].start))
    return rows.stop - rows.start, columns.stop - columns.start


@pytest.mark.parametrize(("extent", "ratio"), [((6.0, 6.0), 1), ((8.0, 4.0), 0.5), (None, 1)])
def test_thickness_has_the_shape_of_what_was_scanned(tmp_path, extent, ratio):
    thickness = np.zeros((16, 200))
    thickness[3:6, 50:90] = 120
    path = draw_thickness_map(thickness, tmp_path / "x.png", extent_mm=extent, unit="um", title="x", phantom=True)
    drawn = pixels(path)
    assert not_cut(drawn)
    height, width = box_of_the_map(drawn)
    assert height / width == pytest.approx(ratio, rel=0.06)
    assert draw_thickness_map(np.zeros((1, 5)), tmp_path / "0.png", extent_mm=extent, unit="um", title="").is_file()
