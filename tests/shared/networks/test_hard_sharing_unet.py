"""Hard-sharing U-Net: published counts, any subset of tasks, a box anywhere, the same answer twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from shared.errors import ConfigError
from shared.networks.hard_sharing_unet import HardSharingUNet, start_bilinear
from shared.networks.sharing import make_sharing_network

SMALL: dict[str, Any] = {"channels": (4, 4, 8, 8)}
ALL: dict[str, Any] = {"grades": {"species": 2}, "box": True}
QUARTERS = {
    "upper left": (0.05, 0.08, 0.3, 0.35),
    "upper right": (0.6, 0.1, 0.9, 0.4),
    "lower left": (0.1, 0.65, 0.35, 0.95),
    "lower right": (0.7, 0.6, 0.95, 0.9),
}


@pytest.mark.parametrize(
    ("tasks", "published"),
    [
        (ALL, 3_673_555),
        ({"grades": {"species": 2}}, 2_361_679),
        ({"box": True}, 3_399_325),
        ({}, 2_087_449),
    ],
)
def test_parameters_as_published(tasks: dict[str, Any], published: int) -> None:
    assert sum(parameter.numel() for parameter in HardSharingUNet(**tasks).parameters()) == published


@pytest.mark.parametrize(
    ("tasks", "shapes"),
    [
        (ALL, {"pred": (2, 1, 32, 48), "species": (2, 2), "box": (2, 4)}),
        ({"num_masks": 0, "grades": {"breed": 37}}, {"breed": (2, 37)}),
        ({"num_masks": 0, "box": True}, {"box": (2, 4)}),
        ({"num_masks": 2}, {"pred": (2, 2, 32, 48)}),
    ],
)
def test_any_subset_of_tasks(tasks: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    network = HardSharingUNet(**tasks, **SMALL)
    outputs = network(torch.rand(2, 3, 32, 48))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == shapes
    sum(value.sum() for value in outputs.values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert torch.jit.script(network)(torch.rand(2, 3, 32, 48)).keys() == shapes.keys()


def test_the_deepest_map_of_the_published_size_goes_to_the_heads_as_it_is() -> None:
    network = HardSharingUNet(num_masks=0, grades={"species": 2}, **SMALL).eval()
    image = torch.rand(1, 3, 256, 256)
    deepest = image
    for level in network.encoder:
        deepest = level(deepest)
    assert deepest.shape[2:] == (16, 16)
    torch.testing.assert_close(network(image)["species"], network.grade_heads["species"](deepest))


def test_a_box_in_every_quarter_can_be_learned_and_not_with_the_published_relu() -> None:
    image_BCHW = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    box_B4 = torch.tensor(list(QUARTERS.values()))

    def learn(*, box_relu: bool) -> torch.Tensor:
        torch.manual_seed(0)
        network = HardSharingUNet(num_masks=0, box=True, box_relu=box_relu, **SMALL)
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(200):
            optimizer.zero_grad()
            functional.l1_loss(network(image_BCHW)["box"], box_B4).backward()
            optimizer.step()
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        return network(image_BCHW)["box"].detach()

    assert (learn(box_relu=False) - box_B4).abs().max() < 0.08
    with_relu_B4 = learn(box_relu=True)
    assert with_relu_B4.min() >= 0.5
    assert (with_relu_B4 - box_B4).abs().max() > 0.4


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network, image = HardSharingUNet(**ALL, **SMALL), torch.rand(2, 3, 32, 32)
    assert not torch.equal(network(image)["box"], network(image)["box"])
    network.eval()
    first, second = network(image), network(image)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({"num_masks": 0}, "no task"),
        ({"grades": {"species": 1}}, "species"),
        ({"grades": {"box": 2}}, "box"),
        ({"channels": (4, 8)}, "channels"),
        ({"num_masks": -1, "box": True}, "num_masks is -1"),
    ],
)
def test_impossible_networks_are_refused(tasks: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        HardSharingUNet(**tasks)


def test_a_size_that_16_does_not_divide_is_refused_with_one_that_it_does() -> None:
    with pytest.raises(ConfigError, match=r"\[48,32\]"):
        HardSharingUNet(**SMALL)(torch.rand(1, 3, 40, 20))


@pytest.mark.parametrize("sharing", ["hard", "cross_stitch"])
def test_without_the_last_relu_a_mask_can_say_no_anywhere(sharing: str) -> None:
    """With it, positive last weights and a positive bias, as training may leave them, keep every pixel above a half."""
    image_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    tasks = [{"name": "pet", "kind": "mask"}]
    networks = {
        relu: make_sharing_network(tasks=tasks, sharing=sharing, mask_relu=relu, **SMALL) for relu in (True, False)
    }
    state = networks[True].state_dict()
    names = [name for name in state if name.startswith("decoder.") and state[name].shape[:1] == (1,)]
    weight, bias = names[-2:]
    state[weight].abs_().mul_(10)
    state[bias].fill_(0.5)
    networks[False].load_state_dict(state)
    assert networks[True](image_BCHW)["pred"].min() >= 0.5
    logits_BSHW = networks[False](image_BCHW)["pred"]
    assert logits_BSHW.min() < 0 < logits_BSHW.max()


def test_the_linear_level_starts_by_bilinear_interpolation() -> None:
    up = nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1)
    start_bilinear(up)
    rows_HW = torch.arange(5.0)[:, None].expand(5, 6)
    image_BCHW = torch.stack([rows_HW, 2 * rows_HW + 1])[None]
    expected_H = torch.arange(9) / 2
    torch.testing.assert_close(up(image_BCHW)[0, 0, :9, 4], expected_H)
    torch.testing.assert_close(up(image_BCHW)[0, 1, :9, 4], 2 * expected_H + 1)
    torch.testing.assert_close(up(torch.ones(1, 2, 5, 6))[..., :9, :11], torch.ones(1, 2, 9, 11))
