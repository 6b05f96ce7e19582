"""Surfaces of a run, from the command to pictures and pages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.__main__ import main
from shared.observatory import load_surface, make_loss, open_run
from shared.observatory.draw_surface import heights
from shared.observatory.metric import dice_error
from shared.observatory.run_surfaces import views_of
from shared.observatory.surface import Surface


def test_surface_of_the_training_and_random_ones(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["losses", "surface", str(run_folder), "--side=5", "--losses", "dice, cross_entropy"]
    main([*command, "--plane=pca", f"--output_dir={tmp_path}"])
    main([*command, "--planes=2", "--extent=0.5", "--batch_norm=reestimated"])
    assert "surface_random1_reestimated.png" in capsys.readouterr().out
    assert (tmp_path / "surface_pca_frozen.png").read_bytes().startswith(b"\x89PNG")
    saved = load_surface(tmp_path / "surface_pca_frozen.npz")
    assert list(saved.names) == ["dice", "cross_entropy", "1 - Dice"]
    run = open_run(run_folder, device="cpu")
    with torch.no_grad():
        own = {
            name: sum(len(x) * float(loss(run.network(x), y)) for x, y in run.batches) / 3
            for name, loss in (("dice", make_loss("dice")), ("1 - Dice", dice_error))
        }
    for name, value in own.items():
        assert saved.centre[name] == pytest.approx(value, abs=1e-6)
    (view,) = views_of(run, plane="pca")
    assert view.extent == pytest.approx(1.25 * np.abs(view.tracks["training"]).max())
    assert "of a random walk 9" in view.note
    randoms = [load_surface(run_folder / "observatory" / f"surface_random{k}_reestimated.npz") for k in (0, 1)]
    assert not np.allclose(randoms[0].values_LAB, randoms[1].values_LAB)
    np.testing.assert_array_equal(randoms[0].values_LAB[:, 2, 2], randoms[1].values_LAB[:, 2, 2])


def test_page_is_whole_by_itself(run_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra `observatory` is not installed")
    main(["losses", "surface", str(run_folder), "--side=3", "--plane=pca", "--page", f"--output_dir={tmp_path}"])
    text = (tmp_path / "surface_pca_frozen.html").read_text()
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", text)
    assert "Plotly.newPlot" in text
    assert "of a random walk" in text
    assert len(text) > 1_000_000


def test_heights_are_bilinear_and_end_at_the_grid() -> None:
    axis = np.linspace(-1, 1, 5)
    values = 3 + 2 * axis[:, None] - axis[None, :] + 0.5 * axis[:, None] * axis[None, :]
    surface = Surface(["plane"], axis, axis, values[None], "", {})
    found = heights(surface, np.array([[0.3, -0.8], [1.0, 1.0], [1.2, 0.0], [0.0, 0.0]]))["plane"]
    np.testing.assert_allclose(found, [3 + 0.6 + 0.8 - 0.12, 4.5, np.nan, 3])


def test_dice_error_by_hand() -> None:
    label = torch.zeros(2, 1, 2, 2, dtype=torch.long)
    label[0, 0, 0] = 1
    found = torch.zeros(2, 1, 2, 2, dtype=torch.long)
    found[0, 0, :, 0] = 1
    logits = torch.cat([1 - found, found], dim=1).float()
    assert float(dice_error(logits, label)) == pytest.approx(1 - (0.5 + 1) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plane=pcs"], "random or pca"),
        (["--side=4"], "odd number"),
        (["--planes=0"], "--planes is 0"),
        (["--losses=dyce"], "did you mean 'dice'"),
        (["--batch_norm=of"], "one of frozen, reestimated"),
    ],
)
def test_bad_input(
    arguments: list[str], message: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["losses", "surface", str(run_folder), f"--output_dir={tmp_path}", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_folders_where_they_belong(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["surface"], "with no folder"),
        (["curves", str(run_folder)], "with the folder"),
        (["surface", str(tmp_path)], "give the run's output_dir"),
    ):
        with pytest.raises(SystemExit):
            main(["losses", *arguments])
        assert message in capsys.readouterr().err
