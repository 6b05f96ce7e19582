"""The quickstart at full size, as `make train` runs it: it learns, and says where everything is."""

import json
import re
from pathlib import Path

import pytest

from tests.support.bundle import command, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]


def test_the_quickstart_learns_and_its_model_evaluates_and_reads(home, tmp_path):
    models = tmp_path / "models"
    run = command("training", "idrid_moe_mtl", "train", "quickstart", models_dir=models)
    done = run_command(run, home=home, timeout=2000, threads=None)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PHANTOM DATA" in done.stdout
    model = Path(re.search(r"^best model   (\S+)", done.stdout, flags=re.M)[1])
    assert model.is_file()
    pictures = Path(re.search(r"^pictures     (\S+)", done.stdout, flags=re.M)[1])
    assert len(list(pictures.glob("*.png"))) >= 5
    rows = json.loads((model.parent / "history.json").read_text())
    assert max(row["Dice_mean"] for row in rows) > rows[0]["Dice_mean"] + 0.08
    assert max(row["accuracy_mean"] for row in rows) > rows[0]["accuracy_mean"] + 0.1
    assert max(row["accuracy_MER"] for row in rows) > 0.65
    assert max(row["Dice_OD"] for row in rows) > 0.6
    assert min(row["loss"] for row in rows) < 0.85 * rows[0]["loss"]

    ckpt = {"ckpt_path": models / "model.pt"}
    evaluation = command("evaluating", "idrid_moe_mtl", "train", "quickstart", "evaluate", **ckpt)
    done = run_command(evaluation, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "split 'test'" in done.stdout
    assert "official-leak-free" in done.stdout
    findings = tmp_path / "findings"
    inference = command("inference", "idrid_moe_mtl", "inference", "quickstart", **ckpt, output_dir=findings)
    done = run_command(inference, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((findings / "json").iterdir())) == 12


def test_the_quickstart_on_volumes_learns_and_its_model_evaluates_and_segments(home, tmp_path):
    models, name = tmp_path / "models", "retouch_meanteacher"
    done = run_command(
        command("training", name, "train", "quickstart", models_dir=models), home=home, timeout=2000, threads=None
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PHANTOM DATA" in done.stdout
    model = Path(re.search(r"^best model   (\S+)", done.stdout, flags=re.M)[1])
    rows = json.loads((model.parent / "history.json").read_text())
    assert max(row["Dice_mean"] for row in rows) > rows[0]["Dice_mean"] + 0.15
    assert min(row["loss_supervised"] for row in rows) < 0.85 * rows[0]["loss_supervised"]

    ckpt = {"ckpt_path": models / "model.pt"}
    evaluation = command("evaluating", name, "train", "quickstart", "evaluate", **ckpt, ensemble="equal")
    done = run_command(evaluation, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    for prediction in ("teacher", "student", "ensemble"):
        assert f"Fluid in volumes, split 'validation', {prediction}" in done.stdout
    findings = tmp_path / "findings"
    inference = command("inference", name, "inference", "quickstart", **ckpt, output_dir=findings)
    done = run_command(inference, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((findings / "volumes").glob("*.mha"))) == len(list((findings / "json").iterdir())) == 42


def test_the_quickstart_on_discs_learns_and_its_model_evaluates_and_outlines(home, tmp_path):
    models, name = tmp_path / "models", "fundus_od_unet"
    done = run_command(
        command("training", name, "train", "quickstart", models_dir=models), home=home, timeout=1200, threads=None
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PHANTOM DATA" in done.stdout
    model = Path(re.search(r"^best model   (\S+)", done.stdout, flags=re.M)[1])
    rows = json.loads((model.parent / "history.json").read_text())
    best = max(row["Dice_disc"] for row in rows)
    assert best > max(0.85, rows[0]["Dice_disc"] + 0.3)
    assert min(row["loss"] for row in rows) < 0.5 * rows[0]["loss"]

    ckpt = {"ckpt_path": models / "model.pt"}
    evaluation = command("evaluating", name, "train", "quickstart", "evaluate", **ckpt)
    done = run_command(evaluation, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "split 'test'" in done.stdout
    findings = tmp_path / "findings"
    inference = command("inference", name, "inference", "quickstart", **ckpt, output_dir=findings)
    done = run_command(inference, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len((findings / "summary.csv").read_text().splitlines()) == 97


def test_the_quickstart_on_pets_learns_every_task_and_its_model_evaluates_and_reads(home, tmp_path):
    models, name = tmp_path / "models", "pets_mtl"
    done = run_command(
        command("training", name, "train", "quickstart", models_dir=models), home=home, timeout=2000, threads=None
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PHANTOM DATA" in done.stdout
    model = Path(re.search(r"^best model   (\S+)", done.stdout, flags=re.M)[1])
    rows = json.loads((model.parent / "history.json").read_text())
    best = max(rows, key=lambda row: row["score"])
    assert best["Dice_pet"] > 0.8
    assert best["accuracy_species"] > 0.9
    assert best["box_IoU"] > 0.45
    assert best["box_IoU"] > rows[0]["box_IoU"] + 0.2

    ckpt = {"ckpt_path": models / "model.pt"}
    evaluation = command("evaluating", name, "train", "quickstart", "evaluate", **ckpt)
    done = run_command(evaluation, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Head boxes, pixels of the original, split 'test'" in done.stdout
    findings = tmp_path / "findings"
    inference = command("inference", name, "inference", "quickstart", **ckpt, output_dir=findings)
    done = run_command(inference, home=home, timeout=600, threads=None)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (findings / "summary.csv").is_file()
