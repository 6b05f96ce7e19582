"""A step made of the tasks' gradients: equal to the usual one where it must be, and accumulated alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from shared.engines.multi_task import MultiTaskTrainer
from shared.engines.prepare import PrepareLabels


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def shared_parameters(self) -> list[nn.Parameter]:
        return list(self.trunk.parameters())

    def forward(self, image_B3: Tensor) -> dict[str, Tensor]:
        map_B4 = torch.tanh(self.trunk(image_B3))
        return {"first": self.first(map_B4), "second": self.second(map_B4)}


class TwoLosses(nn.Module):
    """A batch whose ``known`` is 0 has no label for the second task; below 0, none at all."""

    last_terms: dict[str, Tensor]

    def by_task(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        known = int(labels["known"].min())
        names = ["first", "second"][: known + 1]
        losses = {name: ((outputs[name] - labels[name]) ** 2).mean() for name in names}
        self.last_terms = {"total": sum(losses.values(), torch.zeros(())).detach()}
        return losses

    def forward(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        zero = sum((output.sum() * 0 for output in outputs.values()), torch.zeros(()))
        return sum(self.by_task(outputs, labels).values(), zero)


def batches(known: list[int]) -> list[dict[str, Tensor]]:
    random = torch.Generator().manual_seed(1)
    return [
        {
            "image": torch.randn(5, 3, generator=random),
            "first": torch.randn(5, 1, generator=random),
            "second": torch.randn(5, 1, generator=random),
            "known": torch.full((5,), number),
        }
        for number in known
    ]


def train(
    known: list[int], *, aggregator: Callable[[Tensor], Tensor] | None, accumulation_steps: int = 1, plain: bool = False
) -> nn.Module:
    network = TwoHeads()
    keys: dict[str, Any] = {
        "device": torch.device("cpu"),
        "max_epochs": 2,
        "train_data_loader": batches(known),
        "network": network,
        "optimizer": torch.optim.SGD(network.parameters(), 0.1, momentum=0.9),
        "loss_function": TwoLosses(),
        "prepare_batch": PrepareLabels(["first", "second", "known"]),
        "accumulation_steps": accumulation_steps,
        "decollate": False,
    }
    (SupervisedTrainer(**keys) if plain else MultiTaskTrainer(aggregator=aggregator, **keys)).run()
    return network


def add(matrix_TP: Tensor) -> Tensor:
    """What the sum of losses does."""
    return matrix_TP.sum(0)


@pytest.mark.parametrize("accumulation_steps", [1, 2])
@pytest.mark.parametrize("aggregator", [add, None])
def test_added_gradients_are_those_of_the_sum(
    aggregator: Callable[[Tensor], Tensor] | None, accumulation_steps: int
) -> None:
    known = [1, 0, 1]
    made = train(known, aggregator=aggregator, accumulation_steps=accumulation_steps)
    usual = train(known, aggregator=None, accumulation_steps=accumulation_steps, plain=True)
    for first, second in zip(made.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(first, second)
    assert not torch.equal(next(made.parameters()), next(TwoHeads().parameters()))


def test_the_aggregator_makes_the_step_of_the_trunk_alone() -> None:
    made = train([1, 1], aggregator=lambda matrix_TP: matrix_TP.sum(0) * 0)
    start = TwoHeads()
    assert isinstance(made, TwoHeads)
    assert torch.equal(made.trunk.weight, start.trunk.weight)
    assert not torch.equal(made.first.weight, start.first.weight)
    assert not torch.equal(made.second.weight, start.second.weight)


def test_a_batch_without_any_label_moves_nothing() -> None:
    made = train([-1], aggregator=add)
    for after, before in zip(made.parameters(), TwoHeads().parameters(), strict=True):
        assert torch.equal(after, before)
