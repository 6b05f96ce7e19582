"""The learning-rate range test: repeats itself, leaves nothing behind, finds the known rate of a bowl."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from shared.data import GroupedBatchSampler
from shared.engines import find_learning_rate, make_optimizer, resolve_learning_rate
from shared.errors import ConfigError, TrainingError
from shared.losses import RecordedLoss, SegmentationLoss


class Halves(nn.Module):
    """Says by one convolution and BatchNorm which pixels are bright."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


def parts(*, loss: nn.Module | None = None) -> dict[str, Any]:
    torch.manual_seed(0)
    images = torch.rand(8, 1, 12, 12)
    items = [{"image": image, "label": (image > 0.5).to(torch.uint8)} for image in images]
    return {
        "network": Halves(),
        "loss": RecordedLoss(loss or SegmentationLoss(name="cross_entropy", num_classes=2)),
        "make_optimizer": functools.partial(make_optimizer, "adam"),
        "dataset": Items(items),
        "sampler": GroupedBatchSampler(["masks"] * 8, batch_size=4, seed=1),
    }


class Items(torch.utils.data.Dataset):
    """Items by draw."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, draw: Any) -> dict[str, Any]:
        return self.items[draw.index]


def test_the_test_repeats_itself_and_leaves_nothing_behind() -> None:
    given = parts()
    before = {name: value.clone() for name, value in given["network"].state_dict().items()}
    given["sampler"].set_epoch(3, start_batch=1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    rate = find_learning_rate(**given, seed=2, steps=60)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    after = given["network"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in given["network"].parameters())
    assert (given["sampler"].epoch, given["sampler"].start_batch) == (3, 1)
    assert given["loss"].last_terms == {}
    assert find_learning_rate(**given, seed=2, steps=60) == rate
    assert 1e-5 < rate < 1
    assert find_learning_rate(**given, seed=2, steps=40) != rate


def test_the_found_rate_teaches() -> None:
    given = parts()
    rate = find_learning_rate(**given, seed=0, steps=60)
    images = torch.stack([item["image"] for item in given["dataset"].items])
    labels = torch.stack([item["label"] for item in given["dataset"].items])
    losses = []
    optimizer = make_optimizer("adam", params=given["network"].parameters(), learning_rate=rate)
    for _ in range(60):
        loss = given["loss"](given["network"](images), labels)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


class Broken(nn.Module):
    """A loss that is nowhere finite, or does not depend on anything."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return 0 * output.sum() + self.value


@pytest.mark.parametrize("value", [float("nan"), 1.0])
def test_where_there_is_no_rate_it_says_so(value: float) -> None:
    with pytest.raises(TrainingError, match=r"no learning rate was found[\s\S]*--learning_rate"):
        find_learning_rate(**parts(loss=Broken(value)), steps=20)


def test_a_number_is_taken_and_a_run_that_goes_on_keeps_its_rate(tmp_path: Path) -> None:
    given = parts() | {"seed": 0, "device": "cpu", "output_dir": tmp_path}
    assert resolve_learning_rate(0.25, **given, resume="auto") == 0.25
    found = resolve_learning_rate("auto", **given, resume="auto", steps=30)
    optimizer = make_optimizer("adam", params=given["network"].parameters(), learning_rate=0.125)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    torch.save({"objects": {"optimizer": optimizer.state_dict()}}, tmp_path / "checkpoint.pt")
    assert optimizer.param_groups[0]["lr"] == 0.0625
    assert resolve_learning_rate("auto", **given, resume="auto") == 0.125
    assert resolve_learning_rate("auto", **given, resume=str(tmp_path / "checkpoint.pt")) == 0.125
    assert resolve_learning_rate("auto", **given, resume="never", steps=30) == found


@pytest.mark.parametrize("wrong", ["fast", 0, -1.0, True])
def test_other_rates_are_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a number above 0, or 'auto'"):
        resolve_learning_rate(wrong, **parts(), seed=0, device="cpu", output_dir=tmp_path)
