"""An image through training, and the change of weights."""

from __future__ import annotations

import copy
import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.__main__ import main
from shared.draw.look import FALSE_ALARM, HIT, MISS, rgb
from shared.errors import DataError
from shared.observatory import make_loss, make_losses, open_run
from shared.observatory.change import weight_change
from shared.observatory.draw_maps import difference, image_state, picture_of
from shared.observatory.fine_tune import fine_tune
from shared.observatory.run_views import spread
from shared.observatory.snapshots import load_snapshots


def test_change_by_hand() -> None:
    snapshots = [
        {"weight": torch.tensor([[3.0, 4.0]]), "bias": torch.tensor([0.0])},
        {"weight": torch.tensor([[3.0, 2.0]]), "bias": torch.tensor([2.0])},
        {"weight": torch.tensor([[3.0, 2.0]]), "bias": torch.tensor([1.0])},
    ]
    change = weight_change(snapshots, epochs=[0, 1, 5])
    np.testing.assert_allclose(change.length_PN, [[2, 0], [2, 1]])
    np.testing.assert_allclose(change.relative_PN, [[0.4, 0], [math.nan, 0.5]])
    with pytest.raises(DataError, match="at least two of one network"):
        weight_change(snapshots[:1], epochs=[0])
    with pytest.raises(DataError, match="of several networks"):
        weight_change([snapshots[0], {"weight": torch.zeros(1)}], epochs=[0, 1])


def test_weights_of_a_run(run_folder: Path, tmp_path: Path) -> None:
    main(["losses", "weights", str(run_folder), f"--output_dir={tmp_path}"])
    assert (tmp_path / "weight_change.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "weight_change.csv").open() as file:
        rows = list(csv.DictReader(file))
    states = [snapshot.state for snapshot in load_snapshots(run_folder)]
    row = next(row for row in rows if (row["from"], row["to"]) == ("1", "2") and row["parameter"].endswith("weight"))
    old, new = (states[k][row["parameter"]] for k in (1, 2))
    assert float(row["length"]) == pytest.approx(float((new - old).norm()), rel=1e-4)
    assert float(row["relative"]) == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-4)
    assert not [row for row in rows if "running" in row["parameter"]]


def test_difference_has_a_colour_for_each_kind() -> None:
    truth = np.array([[0, 0, 1, 1, 2]])
    found = np.array([[0, 1, 0, 1, 1]])
    picture = difference(found, truth)
    expected = [np.zeros(3), rgb(FALSE_ALARM), rgb(MISS), rgb(HIT), rgb(MISS)]
    np.testing.assert_array_equal(picture[0], np.array(expected))


def test_three_channels_are_colours_and_others_grey() -> None:
    image = torch.tensor([[[0.0, 2.0]], [[1.0, 4.0]], [[0.0, 0.0]]])
    np.testing.assert_allclose(picture_of(image), [[[0, 0.25, 0], [0.5, 1, 0]]])
    np.testing.assert_allclose(picture_of(image[:2]), [[0, 1]])
    np.testing.assert_array_equal(picture_of(torch.ones(1, 2, 2)), np.zeros((2, 2)))


def test_a_state_is_its_logits() -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(1, 3, 4, 5), torch.randint(0, 3, (1, 1, 4, 5))
    state = image_state(logits, label, when="now", losses=make_losses(["cross_entropy", "dice"], num_classes=3))
    np.testing.assert_array_equal(state.classes_HW, logits[0].argmax(0).numpy())
    np.testing.assert_allclose(state.confidence_HW, logits[0].softmax(0).amax(0).numpy(), rtol=1e-6)
    assert [found.title for found in state.maps.values()] == ["loss of each pixel", "|dL/dlogit|"]


def test_maps_of_a_run(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["losses", "maps", str(run_folder), "--image=2", f"--output_dir={tmp_path}", "--losses=focal(gamma=1)"])
    assert (tmp_path / "maps_2.png").read_bytes().startswith(b"\x89PNG")
    with Image.open(tmp_path / "maps_2.gif") as animation:
        assert animation.n_frames == 5
    for image, message in (("3", "0 to 2, the images"), ("-1", "--image is -1")):
        with pytest.raises(SystemExit):
            main(["losses", "maps", str(run_folder), f"--image={image}", f"--output_dir={tmp_path}"])
        assert message in capsys.readouterr().err


def test_features_of_a_run(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["losses", "features", str(run_folder), f"--output_dir={tmp_path}", "--channels=2"]
    main(command)
    (picture,) = tmp_path.iterdir()
    assert picture.name.startswith("features_model")
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        main([*command, "--layer=nowhere"])
    assert "there is no layer 'nowhere'" in capsys.readouterr().err


def test_one_image_trained_with_each_loss(run_folder: Path, tmp_path: Path) -> None:
    command = ["losses", "single", str(run_folder), f"--output_dir={tmp_path}", "--losses=dice, cross_entropy"]
    main([*command, "--steps=4", "--rate=0.01"])
    assert {file.name for file in tmp_path.iterdir()} == {
        "single_0.csv",
        "single_0_dice.png",
        "single_0_cross_entropy.png",
        "single_0_dice.gif",
        "single_0_cross_entropy.gif",
    }
    with Image.open(tmp_path / "single_0_dice.gif") as animation:
        assert animation.n_frames == 5
    with (tmp_path / "single_0.csv").open() as file:
        rows = {
            (row["trained with"], int(row["step"]), row["loss"]): float(row["value"]) for row in csv.DictReader(file)
        }
    run = open_run(run_folder, device="cpu")
    image, label = run.batches[0]
    with torch.no_grad():
        own = float(make_loss("dice")(run.network(image[:1]), label[:1]))
    assert rows["dice", 0, "dice"] == rows["cross_entropy", 0, "dice"] == pytest.approx(own, abs=1e-6)
    for name in ("dice", "cross_entropy"):
        assert rows[name, 4, name] < rows[name, 0, name]
    assert {step for _, step, _ in rows} == {0, 1, 2, 3, 4}


def test_fine_tuning_is_adam_and_leaves_the_network(run_folder: Path) -> None:
    run = open_run(run_folder, device="cpu")
    image, label = run.batches[0]
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    loss = make_loss("cross_entropy")
    found = fine_tune(run.network, image[:1], label[:1], loss=loss, steps=3, rate=0.01, states=3)
    assert list(found) == [0, 1, 2, 3]
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[name])
    # Adam's first step is the rate times the gradient's sign.
    twin = copy.deepcopy(run.network).eval()
    loss(twin(image[:1]), label[:1]).backward()
    with torch.no_grad():
        for value in twin.parameters():
            assert value.grad is not None
            value -= 0.01 * value.grad / (value.grad.abs() + 1e-8)
        torch.testing.assert_close(found[1], twin(image[:1]), atol=1e-4, rtol=1e-3)


def test_spread_keeps_first_and_last() -> None:
    assert spread(13, most=6) == [0, 2, 5, 7, 10, 12]
    assert spread(3, most=6) == [0, 1, 2]
    assert spread(1, most=6) == [0]
