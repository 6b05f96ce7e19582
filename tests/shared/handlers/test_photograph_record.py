"""The record of every photograph: its numbers, resumption, and that training does not notice it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from shared.errors import ConfigError, DataError
from shared.handlers import RecordPhotographs
from shared.metrics.photograph import photograph_measures

STEPS = 3


def items(count: int = 5, *, unlabelled: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    return [
        {
            "image": torch.randn(1, 6, 8, generator=generator),
            "label": torch.randint(0, 2, (1, 6, 8), generator=generator, dtype=torch.uint8),
            "name": f"photo, {place}",
            "labelled": place not in unlabelled,
        }
        for place in range(count)
    ]


class Training:
    """A network with BatchNorm and dropout, trained in steps that depend on the global generator."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(), nn.Conv2d(3, 2, 1))
        self.network[1].eval()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        self.engine = Engine(self.step)

    def step(self, engine: Engine, item: dict[str, Any]) -> float:
        self.optimizer.zero_grad()
        scores = self.network(item["image"][None])
        loss = nn.functional.cross_entropy(scores, item["label"].long())
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def run(self, epochs: int) -> None:
        torch.manual_seed(1)
        self.engine.run(items(STEPS), max_epochs=epochs)


def read(path: Path) -> list[dict[str, str]]:
    with (path / "per_epoch.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def recorder(training: Training, folder: Path, **settings: Any) -> RecordPhotographs:
    datasets = settings.pop("datasets", {"training": items(), "validation": items(3)})
    return RecordPhotographs(
        network=training.network, datasets=datasets, classes=["disc"], output_dir=folder, **settings
    )


def test_rows_are_the_networks_measures_and_training_does_not_notice(tmp_path: Path) -> None:
    plain, recorded = Training(), Training()
    recorder(recorded, tmp_path, batch_size=2).attach(recorded.engine)
    plain.run(2)
    recorded.run(2)
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, recorded.network.state_dict()[name])
    assert [module.training for module in recorded.network] == [True, False, True, True]
    rows = read(tmp_path)
    assert [(row["epoch"], row["part"]) for row in rows] == [
        (str(epoch), part) for epoch in range(3) for part in ["training"] * 5 + ["validation"] * 3
    ]
    recorded.network.eval()
    for item, row in zip(items(), rows[16:], strict=False):
        with torch.no_grad():
            scores_KHW = recorded.network(item["image"][None])[0].softmax(0)
        assert row["name"] == item["name"]
        for name, value in photograph_measures(scores_KHW, item["label"][0], classes=["disc"]).items():
            assert float(row[name]) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("stopped_at", [3, 4])
def test_a_run_that_goes_on_continues_the_file(tmp_path: Path, stopped_at: int) -> None:
    """At the end of epoch 1 (iteration 3) and within epoch 2, with rows that the checkpoint knows nothing of."""
    whole = Training()
    recorder(whole, tmp_path / "whole").attach(whole.engine)
    whole.run(3)
    first = Training()
    recorder(first, tmp_path / "two").attach(first.engine)
    first.run(1)
    for _ in range(stopped_at - STEPS):
        first.engine._process_function(first.engine, items(STEPS)[0])
    path = tmp_path / "two" / "per_epoch.csv"
    kept = path.read_text()
    path.write_text(kept + kept.splitlines()[-1].replace("1,", "2,", 1) + "\n1,validation,photo")
    goes_on = Training()
    goes_on.network.load_state_dict(first.network.state_dict())
    recorder(goes_on, tmp_path / "two").attach(goes_on.engine)
    goes_on.engine.load_state_dict({"iteration": stopped_at, "epoch_length": STEPS, "max_epochs": 3})
    goes_on.run(3)
    expected, found = read(tmp_path / "whole"), read(tmp_path / "two")
    assert [(row["epoch"], row["part"], row["name"]) for row in found] == [
        (row["epoch"], row["part"], row["name"]) for row in expected
    ]
    assert found[:16] == expected[:16]


def test_a_fresh_run_in_an_old_folder_starts_anew(tmp_path: Path) -> None:
    for epochs in (3, 1):
        training = Training()
        recorder(training, tmp_path, datasets={"validation": items(1)}).attach(training.engine)
        training.run(epochs)
    assert [row["epoch"] for row in read(tmp_path)] == ["0", "1"]


def test_interval_number_of_photographs_and_unlabelled_ones(tmp_path: Path) -> None:
    training = Training()
    data = {"validation": items(9, unlabelled=(0, 3))}
    recorder(training, tmp_path, datasets=data, interval=2, num_images=3).attach(training.engine)
    training.run(4)
    rows = read(tmp_path)
    assert [row["epoch"] for row in rows] == ["0"] * 3 + ["2"] * 3 + ["4"] * 3
    assert [row["name"] for row in rows[3:6]] == ["photo, 6", "photo, 1", "photo, 2"]


def test_bad_input(tmp_path: Path) -> None:
    training = Training()
    for wrong in ({"datasets": {}}, {"interval": 0}, {"num_images": -1}, {"batch_size": 0}):
        with pytest.raises(ConfigError, match="correct the arguments"):
            recorder(training, tmp_path, **wrong)
    data = {"validation": items(2, unlabelled=(0, 1))}
    recorder(training, tmp_path, datasets=data).attach(training.engine)
    with pytest.raises(DataError, match="'validation' has a label"):
        training.run(1)
