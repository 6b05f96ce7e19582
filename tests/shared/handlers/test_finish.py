"""Publishing keeps what it replaces; thresholds that are missing are said to be."""

import json
import logging
import re

import pytest
import torch
from ignite.engine import Engine

from shared.engines import History
from shared.errors import TrainingError
from shared.handlers import FinishMultiTask, read_thresholds
from shared.handlers.finish import FinishRun, publish
from tests.support.bundle import REPOSITORY


def make_run(folder, date):
    folder.mkdir()
    torch.save({"w": torch.zeros(1)}, folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({"date": date, "epoch": 3}))
    (folder / "thresholds.json").write_text(json.dumps({"thresholds": {"MA": 0.3}, "run": date}))
    return folder


def test_a_published_model_is_kept_and_named(tmp_path, caplog):
    models = tmp_path / "models"
    with caplog.at_level(logging.INFO):
        publish(make_run(tmp_path / "first", "Monday"), models, names=FinishMultiTask.published)
    assert "replacing" not in caplog.text
    with caplog.at_level(logging.INFO):
        publish(make_run(tmp_path / "second", "Tuesday"), models, names=FinishMultiTask.published)
    assert "replacing the published model (date Monday, epoch 3)" in caplog.text
    assert json.loads((models / "model.json").read_text())["date"] == "Tuesday"
    assert json.loads((models / "previous" / "model.json").read_text())["date"] == "Monday"
    assert json.loads((models / "previous" / "thresholds.json").read_text())["run"] == "Monday"
    assert (models / "previous" / "model.pt").is_file()


def test_files_of_an_earlier_model_do_not_stay_beside_the_new_one(tmp_path):
    models = tmp_path / "models"
    publish(make_run(tmp_path / "first", "Monday"), models, names=FinishMultiTask.published)
    second = make_run(tmp_path / "second", "Tuesday")
    (second / "thresholds.json").unlink()
    publish(second, models, names=FinishMultiTask.published)
    assert not (models / "thresholds.json").exists()


def test_a_run_without_any_score_is_told_keys_that_its_bundle_has(tmp_path):
    parts = {"network": torch.nn.Identity(), "evaluator": Engine(lambda engine, batch: None), "provenance": {}}
    finish = FinishRun(**parts, history=History(key="score"), output_dir=tmp_path, models_dir=None)
    with pytest.raises(TrainingError, match="no epoch could be scored: no validation image has a label") as caught:
        finish.finish(Engine(lambda engine, batch: None))
    named = set(re.findall(r"--(\w+)", caught.value.fix))
    for file in REPOSITORY.glob("bundles/*/configs/train.json"):
        known = named & set(json.loads(file.read_text()))
        assert known in ({"validation_fraction", "val_interval"}, {"fractions", "val_interval"})


def test_absent_thresholds_are_logged(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_thresholds(tmp_path / "model.pt") == {}
    assert "probability 0.5" in caplog.text
    assert read_thresholds(make_run(tmp_path / "run", "Monday") / "model.pt") == {"MA": pytest.approx(0.3)}
