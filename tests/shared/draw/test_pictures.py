import numpy as np
import pytest
from PIL import Image

from shared.draw import look
from shared.draw.contact_sheet import draw_contact_sheet
from shared.draw.curves import draw_precision_recall, draw_training_curves
from shared.draw.matrices import draw_confusion_matrices, draw_expert_use, draw_routing
from shared.draw.overlay import draw_overlay, fitted_size, paint_errors, paint_masks, shrink_mask
from shared.draw.panels import Comparison, draw_comparison
from shared.metrics.histogram import precision_recall, score_histogram

LESIONS = ("MA", "HE", "EX", "SE", "OD")


def photograph(height=90, width=140):
    rows, columns = np.mgrid[:height, :width]
    photo = np.zeros((height, width, 3), np.uint8)
    photo[(rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 2.2) ** 2] = (180, 80, 30)
    return photo


def box(top, left, side=8, size=(90, 140)):
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def has_colour(picture, colour, tolerance=2):
    return (np.abs(picture.astype(int) - look.rgb(colour)).max(-1) <= tolerance).any()


def not_cut(picture, background=255):
    """The outermost pixels are empty: nothing runs out of the picture."""
    return all((edge == background).all() for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]))


def test_a_mask_is_painted_where_it_is_and_nowhere_else():
    photo, mask = photograph(), box(20, 100)
    painted = paint_masks(photo, {"HE": mask}, fill=0.5, thickness=1)
    changed = (painted != photo).any(-1)
    assert changed[19:29, 99:109].all()
    assert changed.sum() == 100
    np.testing.assert_array_equal(painted[19, 100], look.rgb(look.LESION_COLOURS["HE"]))
    expected = (photo[22, 103] + look.rgb(look.LESION_COLOURS["HE"])) / 2
    np.testing.assert_allclose(painted[22, 103], expected, atol=1)


def test_small_lesions_lie_on_top_of_large_ones():
    dot, disc = box(44, 64, 2), box(30, 50, 40)
    painted = paint_masks(photograph(), {"MA": dot, "OD": disc}, fill=1.0)
    np.testing.assert_array_equal(painted[44, 64], look.rgb(look.LESION_COLOURS["MA"]))


def test_errors_have_three_colours():
    painted = paint_errors(photograph(), box(20, 60), box(24, 60))
    np.testing.assert_array_equal(painted[25, 62], look.rgb(look.HIT))
    np.testing.assert_array_equal(painted[30, 62], look.rgb(look.MISS))
    np.testing.assert_array_equal(painted[21, 62], look.rgb(look.FALSE_ALARM))


def test_error_colours_are_no_lesions():
    assert not {look.HIT, look.MISS, look.FALSE_ALARM} & set(look.LESION_COLOURS.values())
    assert len({look.colour_of(name, [*LESIONS, "x", "y"]) for name in (*LESIONS, "x", "y")}) == 7


def test_a_dot_survives_shrinking():
    mask = np.zeros((2848, 4288), bool)
    mask[1234, 3210] = True
    small = shrink_mask(mask, fitted_size(mask.shape, 960))
    assert small.shape == (638, 960)
    assert np.argwhere(small).tolist() == [[1234 * 638 // 2848, 3210 * 960 // 4288]]
    assert shrink_mask(box(20, 60), (180, 280)).sum() == 4 * 64


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_overlay_has_title_and_legend_and_keeps_its_orientation(tmp_path, suffix):
    photo = photograph(300, 480)
    mask = np.zeros((300, 480), bool)
    mask[50:80, 300:340] = True
    path = draw_overlay(
        photo, {"HE": mask, "EX": ~mask & False}, tmp_path / f"x.{suffix}", title="one\ntwo", phantom=True
    )
    picture = pixels(path)
    assert picture.shape[1] == 480
    assert picture.shape[0] > 300 + 3 * 15
    blue = np.argwhere(np.abs(picture.astype(int) - look.rgb(look.LESION_COLOURS["HE"])).max(-1) < 60)
    upper = blue[blue[:, 0] < picture.shape[0] - 40]
    assert upper[:, 1].min() in range(296, 302)
    assert upper[:, 1].max() in range(338, 344)
    assert upper[:, 0].min() > 50 + 30
    assert has_colour(picture[-40:], look.LESION_COLOURS["EX"], 30)


def test_training_curves(tmp_path):
    history = [{"epoch": epoch, "loss": 1 / epoch, "lr": 1e-3} for epoch in range(1, 6)]
    history[1] |= {"Dice_MA": 0.1, "Dice_mean": 0.1, "kappa_RG": float("nan"), "score": 0.2}
    history[3] |= {"Dice_MA": 0.4, "Dice_mean": 0.4, "kappa_RG": 0.3, "score": 0.5}
    picture = pixels(draw_training_curves(history, tmp_path / "curves.png", phantom=True))
    assert picture.shape[1] >= 1000
    assert not_cut(picture)
    assert has_colour(picture, look.MASK_LINES["MA"])
    assert draw_training_curves([], tmp_path / "empty.png").is_file()


def test_precision_recall(tmp_path):
    generator = np.random.default_rng(0)
    truth = generator.random(500) < 0.3
    histogram = score_histogram(generator.random(500) * 0.5 + truth * 0.4, truth)
    curve = precision_recall(histogram, np.linspace(0, 1, 50))
    picture = pixels(
        draw_precision_recall(
            dict.fromkeys(LESIONS, curve),
            tmp_path / "pr.png",
            average_precision=dict.fromkeys(LESIONS, 0.5),
            operating_points={"MA": (0.4, 0.6)},
        )
    )
    assert picture.shape[1] == 1000
    assert not_cut(picture)


def test_matrices(tmp_path):
    confusions = {"RG": np.diag([3, 0, 12, 100, 2]), "MER": np.ones((3, 3), int)}
    path = draw_confusion_matrices(confusions, tmp_path / "c.png", subtitles={"RG": "accuracy 0.5"})
    assert not_cut(pixels(path))
    share = np.array([[1.0, 0.5, 0], [np.nan] * 3])
    path = draw_expert_use(share, share, tmp_path / "e.png", tasks=["RG", "microaneurysms"])
    assert not_cut(pixels(path))
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=(90, 2))
    names = [f"a/long/folder/name/IDRiD_{index}" for index in range(90)]
    picture = pixels(draw_routing(weights, tmp_path / "r.png", tasks=["RG", "MA"], names=names, most=30))
    assert not_cut(picture)
    assert picture.shape[0] < 1200


def test_comparison(tmp_path):
    truth = {"MA": box(30, 60, 2), "SE": box(0, 0) & False}
    predicted = {"MA": box(31, 60, 2), "SE": box(40, 80, 3)}
    comparison = Comparison("A/train/IDRiD_01", photograph(), predicted, truth, "RG 2 (true 3)").shrunk(120)
    assert comparison.photo_HW3.shape[:2] == comparison.truth["MA"].shape
    assert comparison.photo_HW3.shape[1] < 80
    assert comparison.photo_HW3[:, [0, -1]].max() > 20
    assert comparison.truth["MA"].any()
    picture = pixels(draw_comparison(comparison, tmp_path / "x.png", scores={"MA": "Dice 0.50"}, phantom=True))
    assert picture.shape[1] == 1500
    for colour in (look.HIT, look.MISS, look.FALSE_ALARM, look.LESION_COLOURS["MA"]):
        assert has_colour(picture, colour)


def test_contact_sheet(tmp_path):
    photos = [photograph(), photograph(140, 90), photograph(400, 600), photograph()]
    captions = ["a\nb", "c", "d" * 80, "many words " * 30]
    path = draw_contact_sheet(photos, captions, tmp_path / "s.png", title="four", columns=3, phantom=True)
    picture = pixels(path)
    assert picture.shape[1] == 3 * 250 + 10
    assert not_cut(picture)
    assert (picture == (180, 80, 30)).all(-1).any()
    assert draw_contact_sheet([], [], tmp_path / "none.png").is_file()


def test_phantoms_are_called_so():
    assert look.titled("Grades", phantom=True) == "PHANTOM DATA: Grades"
    assert look.titled("Grades", phantom=False) == "Grades"


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    path = look.save_photograph(photograph(), tmp_path / "x.png")
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        look.save_photograph(np.zeros((4, 4, 7), np.float64), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]
