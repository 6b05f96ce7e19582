"""A study's runs looked at together."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.errors import ConfigError, DataError
from shared.observatory import load_surface, make_loss, open_run
from shared.observatory.atlas import Settings, first_runs, some, write_atlas
from shared.observatory.choice import trained_loss
from shared.observatory.draw_surface import draw_surface
from shared.observatory.metric import DICE_ERROR
from shared.observatory.surface import Surface

SETTINGS = Settings(side=3, planes=2, images=2)
ROWS = {"Dice": {"loss_name": "dice"}, "focal, gamma 3": {"loss_name": "focal", "gamma": 3.0, "class_weights": [1, 2]}}


@pytest.fixture
def study(run_folder: Path, tmp_path: Path) -> Path:
    """Two rows of one seed: the run, and one of other weights, with records."""
    folder = tmp_path / "discs"
    for number, (label, keys) in enumerate(ROWS.items()):
        place = folder / label.lower().replace(", ", "-").replace(" ", "_") / "seed_0"
        shutil.copytree(run_folder, place)
        config = json.loads((place / "config.json").read_text())
        (place / "config.json").write_text(json.dumps(config | keys))
        (place / "run.json").write_text(json.dumps({"seed": 0, "phantom": True, "commit": "abc"}))
        (place / "per_epoch.csv").write_text(
            "epoch,part,name,dice_disc\n"
            + "".join(f"{e},validation,{n},0.{e + number}\n" for e in (0, 4) for n in "xyz")
        )
        for file in (place / "snapshots").glob("epoch_*.pt") if number else ():
            epoch = int(file.stem[-1])
            state = torch.load(file)
            generator = torch.Generator().manual_seed(epoch)
            for name, value in state.items() if epoch else ():
                if value.is_floating_point() and "running" not in name:
                    state[name] = value + 0.05 * torch.randn(value.shape, generator=generator)
            torch.save(state, file)
    (folder / "study.json").write_text(json.dumps({"rows": [{"label": label} for label in ROWS]}))
    return folder


def test_document_pictures_and_grids(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: dict[str, str] = {}

    def noted(surface: Surface, path: Path, *, note: str, **rest: Any) -> Path:
        notes[path.name] = note
        return draw_surface(surface, path, note=note, **rest)

    monkeypatch.setattr("shared.observatory.atlas.draw_surface", noted)
    written = write_atlas(
        study, title="Discs", note="A note.", command="the command", output_dir=tmp_path / "docs", losses=["dice"],
        settings=SETTINGS,
    )  # fmt: skip
    text = (tmp_path / "docs" / "discs.md").read_text()
    assert text.startswith("# PHANTOM DATA: Discs\n\nA note.\n\nMade by\n\n```\nthe command\n```")
    assert re.search(r"\| Dice +\| 1 +\| 3 +\| 0\.400 \[0\.400, 0\.400\] \|", text)
    for picture in re.findall(r"\]\(([^)]+)\)", text):
        assert (tmp_path / "docs" / picture).read_bytes().startswith(b"\x89PNG")
    assert len(re.findall(r"!\[", text)) == 4
    assert all(path.is_file() for path in written)
    assert "paths projected onto the plane" in (study / "atlas" / "joint.html").read_text()
    assert "paths projected onto the plane" in notes["discs_joint.png"]
    joint = load_surface(study / "atlas" / "joint.npz")
    assert list(joint.names) == ["dice", DICE_ERROR]
    # Around each run its own loss, whose centre is that run's.
    runs = first_runs_of(study)
    for label, own in (("Dice", "dice"), ("focal, gamma 3", "focal(gamma=3, class_weights=[1,2])")):
        name = label.replace(", ", "__").replace(" ", "_")
        planes = [load_surface(study / "atlas" / f"{name}_random{seed}_frozen.npz") for seed in (0, 1)]
        assert list(planes[0].names) == [own, DICE_ERROR]
        assert not np.allclose(planes[0].values_LAB, planes[1].values_LAB)
        image, truth = some(runs[label], 2)[0]
        with torch.no_grad():
            expected = float(make_loss(own)(runs[label].network(image), truth))
        assert planes[0].centre[own] == pytest.approx(expected, abs=1e-6)


def first_runs_of(study: Path) -> dict:
    from shared.comparison.records import compare

    return first_runs(compare([study]))


def test_a_study_without_snapshots(study: Path) -> None:
    for row in study.glob("*/seed_0"):
        shutil.rmtree(row / "snapshots")
    with pytest.raises(DataError, match="0 of 2 rows have a run with snapshots"):
        first_runs_of(study)


def test_some_images(run_folder: Path) -> None:
    run = open_run(run_folder, batch_size=2, device="cpu")
    assert [[len(image) for image, _ in some(run, count)] for count in (1, 2, 3, 9)] == [[1], [2], [2, 1], [2, 1]]


def test_the_loss_of_a_run() -> None:
    assert trained_loss({"loss_name": "dice", "gamma": 2.0, "class_weights": None}) == "dice"
    assert (
        trained_loss({"loss_name": "cross_entropy", "class_weights": [1.0, 4.0]})
        == "cross_entropy(class_weights=[1,4])"
    )
    assert trained_loss({"loss_name": "cross_entropy", "class_weights": [1.0, 1.0]}) == "cross_entropy"
    assert trained_loss({"loss_name": "dice_focal", "gamma": 1.5}) == "dice_focal(gamma=1.5)"
    for config in ({}, {"loss_name": "@other"}):
        with pytest.raises(ConfigError, match="loss_name"):
            trained_loss(config)
