"""Shared encoder, cross-stitched encoders, shared experts: against plain twins, forward and gradient; counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shared.engines import start_network
from shared.errors import ConfigError
from shared.networks import SharingNetwork, make_sharing_network
from shared.networks.cross_stitch import CrossStitch
from shared.networks.experts import MapExpert
from shared.networks.hard_sharing_unet import HardSharingUNet
from shared.networks.levels import BACKBONES, ResNetLevels, make_encoder
from shared.networks.resnet_encoder import ResNetEncoder
from shared.networks.sharing import SHARINGS
from shared.networks.unet import SegmentationUNet

SMALL: dict[str, Any] = {"channels": (4, 4, 8, 8)}
ALL: dict[str, Any] = {"grades": {"species": 2, "breed": 37}, "box": True}
PET = {"name": "pet", "kind": "mask"}
SPECIES = {"name": "species", "kind": "grade", "num_classes": 2}
BREED = {"name": "breed", "kind": "grade", "num_classes": 37}
HEAD = {"name": "box", "kind": "box"}
TASKS: list[dict[str, Any]] = [PET, SPECIES, BREED, HEAD]
SIZES = {"pred": (2, 1, 32, 64), "species": (2, 2), "breed": (2, 37), "box": (2, 4)}
BOTH = ("unet", "resnet10_narrow")


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("backbone", BOTH)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_same_outputs_whatever_is_shared_and_every_parameter_learns(sharing: str, backbone: str) -> None:
    network = make_sharing_network(tasks=TASKS, sharing=sharing, backbone=backbone, **SMALL)
    image = torch.rand(2, 3, 32, 64)
    outputs = network(image)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == SIZES
    sum(value.square().sum() for value in outputs.values()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    network.eval()
    with torch.no_grad():
        scripted, plain = torch.jit.script(network)(image), network(image)
    for name, value in plain.items():
        torch.testing.assert_close(scripted[name], value)
    assert float(plain["box"].min()) >= 0
    assert float(plain["box"].max()) <= 1


@pytest.mark.parametrize(
    ("sharing", "backbone", "parameters"),
    [
        ("hard", "unet", 3_673_555),
        ("cross_stitch", "unet", 6_115_827),
        ("moe", "unet", 7_217_884),
        ("hard", "resnet18", 14_835_319),
        ("cross_stitch", "resnet18", 37_197_559),
        ("moe", "resnet18", 29_001_856),
    ],
)
def test_parameter_counts_with_mask_species_and_box(sharing: str, backbone: str, parameters: int) -> None:
    with torch.device("meta"):
        network = make_sharing_network(tasks=[PET, SPECIES, HEAD], sharing=sharing, backbone=backbone)
    assert count(network) == parameters


def test_hard_sharing_is_the_published_network_under_other_names() -> None:
    torch.manual_seed(0)
    published = HardSharingUNet(**ALL, **SMALL)
    network = SharingNetwork(**ALL, **SMALL)
    network.load_state_dict(dict(zip(network.state_dict(), published.state_dict().values(), strict=True)))
    image = torch.rand(2, 3, 32, 64)
    for one in (published, network):
        one.eval()
        sum(value.square().sum() for value in one(image).values()).backward()
    expected = published(image)
    for name, value in network(image).items():
        torch.testing.assert_close(value, expected[name])
    for own, other in zip(network.parameters(), published.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    assert isinstance(make_sharing_network(tasks=TASKS, num_experts=2, self_weight=0.8, **SMALL), HardSharingUNet)


def test_a_resnets_masks_are_those_of_the_segmentation_unet() -> None:
    torch.manual_seed(0)
    twin = SegmentationUNet(backbone="resnet10_narrow", in_channels=3, num_classes=2).eval()
    twin.grey_mean, twin.grey_deviation = 0.0, 1.0
    network = SharingNetwork(backbone="resnet10_narrow", num_masks=2).eval()
    network.load_state_dict(dict(zip(network.state_dict(), twin.state_dict().values(), strict=True)))
    image = torch.rand(2, 3, 32, 64)
    torch.testing.assert_close(network(image)["pred"], twin(image))


@pytest.mark.parametrize("name", ["resnet10_narrow", "resnet18"])
def test_levels_are_those_of_the_encoder(name: str) -> None:
    torch.manual_seed(0)
    encoder, image = ResNetLevels(name=name).eval(), torch.rand(1, 3, 64, 32)
    map_BCHW = image
    for number, expected in enumerate(encoder(image)):
        map_BCHW = encoder.level(number, map_BCHW)
        torch.testing.assert_close(map_BCHW, expected)
        assert map_BCHW.shape[1] == encoder.level_channels[number]


def loop_stitch(weights_TTC: Tensor, maps: list[Tensor]) -> list[Tensor]:
    """Equation 1 of the paper, channel by channel."""
    mixed = []
    for s in range(len(maps)):
        channels = []
        for c in range(maps[0].shape[1]):
            channels.append(sum(weights_TTC[s, t, c] * maps[t][:, c] for t in range(len(maps))))
        mixed.append(torch.stack(channels, dim=1))
    return mixed


def test_a_stitch_is_the_loop_over_tasks_and_channels() -> None:
    torch.manual_seed(0)
    stitch = CrossStitch(3, 4, self_weight=0.9)
    torch.testing.assert_close(stitch.weights[:, :, 0].sum(1), torch.ones(3))
    assert stitch.weights[1, 1].tolist() == pytest.approx([0.9] * 4)
    nn.init.normal_(stitch.weights)
    maps = [torch.rand(2, 4, 3, 5, requires_grad=True) for _ in range(3)]
    weights = stitch.weights.detach().clone().requires_grad_()
    others = [map.detach().clone().requires_grad_() for map in maps]
    pull = [torch.rand(2, 4, 3, 5) for _ in range(3)]
    for found, expected in zip(stitch(maps), loop_stitch(weights, others), strict=True):
        torch.testing.assert_close(found, expected)
    sum((out * by).sum() for out, by in zip(stitch(maps), pull, strict=True)).backward()
    sum((out * by).sum() for out, by in zip(loop_stitch(weights, others), pull, strict=True)).backward()
    torch.testing.assert_close(stitch.weights.grad, weights.grad)
    for map, other in zip(maps, others, strict=True):
        torch.testing.assert_close(map.grad, other.grad)


@pytest.mark.parametrize("backbone", BOTH)
def test_stitches_at_identity_are_separate_networks(backbone: str) -> None:
    torch.manual_seed(0)
    tasks: dict[str, dict[str, Any]] = {
        "pred": {"num_masks": 1},
        "species": {"num_masks": 0, "grades": {"species": 2}},
        "box": {"num_masks": 0, "box": True},
    }
    both = {"grades": {"species": 2}, "box": True}
    stitched = SharingNetwork(sharing="cross_stitch", backbone=backbone, self_weight=1.0, **both, **SMALL).eval()
    image, total = torch.rand(2, 3, 32, 32), torch.zeros(())
    outputs = stitched(image)
    for place, (name, options) in enumerate(tasks.items()):
        alone = SharingNetwork(backbone=backbone, **options, **SMALL).eval()
        alone.encoder.encoder.load_state_dict(stitched.encoder.encoders[place].state_dict())
        heads = {key: value for key, value in stitched.state_dict().items() if key in alone.state_dict()}
        assert alone.load_state_dict(heads, strict=False).unexpected_keys == []
        torch.testing.assert_close(outputs[name], alone(image)[name])
        gradient = torch.autograd.grad(outputs[name].square().sum(), image_weights(stitched, place), retain_graph=True)
        expected = torch.autograd.grad(alone(image)[name].square().sum(), image_weights(alone, 0))
        torch.testing.assert_close(gradient, expected)
        total = total + outputs[name].sum()
    total.backward()
    assert all(float(stitch.weights.grad.abs().sum()) > 0 for stitch in stitched.encoder.stitches)


def image_weights(network: SharingNetwork, place: int) -> tuple[Tensor, ...]:
    """The first level's parameters of a task's encoder."""
    encoders = getattr(network.encoder, "encoders", None) or [network.encoder.encoder]
    return tuple(encoders[place].parameters())[:1]


def test_a_mixture_is_the_weighed_sum_of_the_experts_maps() -> None:
    torch.manual_seed(0)
    network = SharingNetwork(sharing="moe", num_experts=2, **ALL, **SMALL).eval()
    nn.init.normal_(network.gates[1].linear.weight)
    image = torch.rand(2, 3, 32, 32)
    deepest = network.encoder(image)[0][-1]
    experts = network.experts[0].experts

    def species_by_hand() -> Tensor:
        shares_BE = torch.softmax(network.gates[1].linear(deepest.mean((2, 3))), dim=1)
        rows = [sum(shares_BE[b, e] * experts[e]([deepest[b : b + 1]]) for e in range(2)) for b in range(len(image))]
        return network.grade_heads["species"](torch.cat(rows))

    found, expected = network(image)["species"], species_by_hand()
    torch.testing.assert_close(found, expected)
    wanted = [*experts.parameters(), network.gates[1].linear.weight]
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), wanted), torch.autograd.grad(expected.square().sum(), wanted)
    )
    assert torch.autograd.grad(network(image)["species"].sum(), network.gates[0].linear.weight, allow_unused=True) == (
        None,
    )


def test_an_experts_rows_do_not_know_of_each_other() -> None:
    torch.manual_seed(0)
    expert, map_BCHW = MapExpert(8), torch.randn(3, 8, 4, 6)
    assert expert.output_shape([map_BCHW]) == [3, 8, 4, 6]
    rows = torch.cat([expert([map_BCHW[place : place + 1]]) for place in range(3)])
    torch.testing.assert_close(expert([map_BCHW]), rows)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("backbone", BOTH)
def test_shared_parameters_are_those_that_two_tasks_reach(sharing: str, backbone: str) -> None:
    torch.manual_seed(0)
    network = make_sharing_network(tasks=TASKS, sharing=sharing, backbone=backbone, **SMALL)
    outputs = network(torch.rand(2, 3, 32, 32))
    reached: dict[int, int] = {}
    for value in outputs.values():
        grads = torch.autograd.grad(
            value.square().sum(), list(network.parameters()), retain_graph=True, allow_unused=True
        )
        for parameter, grad in zip(network.parameters(), grads, strict=True):
            reached[id(parameter)] = reached.get(id(parameter), 0) + (grad is not None)
    expected = {name for name, parameter in network.named_parameters() if reached[id(parameter)] > 1}
    shared = {id(parameter) for parameter in network.shared_parameters()}
    found = {name for name, parameter in network.named_parameters() if id(parameter) in shared}
    # A stitch at the deepest level mixes for all tasks, so nothing of an encoder is one task's own.
    assert found == expected


def test_a_resnet_starts_from_a_file_in_every_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = ResNetEncoder(name="resnet18", in_channels=3)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    network = make_sharing_network(tasks=[BREED, HEAD], sharing="cross_stitch", backbone="resnet18")
    file = str(tmp_path / "resnet18.pth")
    started: Any = start_network(network=network, pretrained=file, phantoms=False, device="cpu")
    for encoder in started.encoder.encoders:
        torch.testing.assert_close(dict(encoder.state_dict()), dict(source.state_dict()))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_published_unet_starts_from_scratch_and_refuses_weights(sharing: str) -> None:
    network = make_sharing_network(tasks=TASKS, sharing=sharing, **SMALL)
    start_network(network=network, pretrained="auto", phantoms=False, device="cpu")
    with pytest.raises(ConfigError, match="no such weights"):
        start_network(network=network, pretrained="imagenet", phantoms=False, device="cpu")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sharing": "cross-stitch"}, "did you mean 'cross_stitch'"),
        ({"sharing": "moe", "backbone": "resnet81"}, "did you mean 'resnet18'"),
        ({"sharing": "moe", "tasks": []}, "task list is empty"),
        ({"sharing": "cross_stitch", "self_weight": 1.5}, "self_weight is 1.5"),
        ({"sharing": "moe", "num_experts": 0}, "num_experts is 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_sharing_network(**{"tasks": TASKS} | settings)


def test_a_size_that_a_resnet_cannot_halve_is_refused() -> None:
    network = make_sharing_network(tasks=TASKS, backbone="resnet10_narrow")
    with pytest.raises(ConfigError, match=r"\[64,32\]"):
        network(torch.rand(1, 3, 48, 32))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_can_be_made(backbone: str) -> None:
    with torch.device("meta"):
        assert len(make_encoder(backbone).level_channels) in (4, 5)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("output", ["pred", "species", "box"])
def test_one_output_alone_as_verification_and_export_ask_for_it(sharing: str, output: str) -> None:
    torch.manual_seed(0)
    network = make_sharing_network(tasks=TASKS, sharing=sharing, **SMALL).eval()
    alone = make_sharing_network(tasks=TASKS, sharing=sharing, output=output, **SMALL).eval()
    alone.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 32, 64)
    torch.testing.assert_close(alone(image), network(image)[output])
    torch.testing.assert_close(torch.jit.script(alone)(image), alone(image))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_an_output_that_is_not_there_is_refused(sharing: str) -> None:
    with pytest.raises(ConfigError, match=r"'pred', 'species', 'box'"):
        make_sharing_network(tasks=[PET, SPECIES, HEAD], sharing=sharing, output="breed", **SMALL)
