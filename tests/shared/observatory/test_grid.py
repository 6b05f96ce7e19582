"""Surfaces: the closed form of a bowl, centre, resumption, BatchNorm, points at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shared.errors import ConfigError, DataError
from shared.observatory.batch_norm import reestimated_buffers
from shared.observatory.choice import make_losses
from shared.observatory.directions import random_plane
from shared.observatory.grid import compute_surface
from shared.observatory.plane import Plane, trained_weights
from shared.observatory.surface import load_surface
from shared.observatory.trajectory import principal_plane
from tests.support.bowl import CURVATURE_P, Bowl, flat, quadratic

ONE = [(torch.zeros(1, 1), torch.zeros(1))]
QUIET = {"show_progress": False}


def small_network(*, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    middle = nn.BatchNorm2d(4) if norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), middle, nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False))


def images(count: int = 2) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    sizes = [3, 2, 2][:count]
    return [
        (torch.randn(n, 1, 8, 8, generator=generator), torch.randint(0, 2, (n, 1, 8, 8), generator=generator))
        for n in sizes
    ]


def test_bowl_over_a_random_plane_is_its_closed_form() -> None:
    net = Bowl()
    plane = random_plane(net, seed=4)
    surface = compute_surface(net, plane=plane, batches=ONE, losses={"bowl": quadratic}, side=7, extent=1.5, **QUIET)
    centre, first, second = (flat(weights) for weights in (plane.centre, plane.first, plane.second))
    np.testing.assert_allclose(surface.alpha_A, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5])
    for a, alpha in enumerate(surface.alpha_A):
        for b, beta in enumerate(surface.beta_B):
            expected = 0.5 * float((CURVATURE_P * (centre + alpha * first + beta * second) ** 2).sum())
            assert surface.values("bowl")[a, b] == pytest.approx(expected, rel=1e-5)


def test_bowl_over_the_plane_of_its_descent() -> None:
    net, rate = Bowl(), 0.1
    start = flat(trained_weights(net)) * torch.tensor([1, 0, 0, 0, 1, 0, 0, 0])
    points = [start * (1 - rate * CURVATURE_P.double()) ** step for step in range(8)]
    found = principal_plane([{"weight": p[:6].reshape(3, 2), "bias": p[6:]} for p in points])
    plane = Plane(*({name: value.float() for name, value in w.items()} for w in found.plane[:3]), found.plane.title)
    surface = compute_surface(net, plane=plane, batches=ONE, losses={"bowl": quadratic}, side=5, extent=2.0, **QUIET)
    first, second = flat(plane.first), flat(plane.second)
    for a, alpha in enumerate(surface.alpha_A):
        for b, beta in enumerate(surface.beta_B):
            expected = 0.5 * float((CURVATURE_P * (points[-1] + alpha * first + beta * second) ** 2).sum())
            assert surface.values("bowl")[a, b] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_centre_is_the_networks_own_loss_for_every_loss() -> None:
    net = small_network().eval()
    losses = make_losses()
    surface = compute_surface(
        net, plane=random_plane(net, seed=0), batches=images(), losses=losses, side=3, extent=0.5, **QUIET
    )
    for name, loss in losses.items():
        with torch.no_grad():
            own = sum(len(x) * float(loss(net(x), y)) for x, y in images()) / 5
        assert surface.centre[name] == pytest.approx(own, abs=1e-6)
    assert np.isfinite(surface.values_LAB).all()


def test_same_seed_same_surface_and_the_network_is_unchanged() -> None:
    net = small_network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    losses = make_losses(["dice", "cross_entropy"])
    for batch_norm in ("frozen", "reestimated"):
        one, same, other = (
            compute_surface(
                net,
                plane=random_plane(net, seed=seed),
                batches=images(),
                losses=losses,
                side=3,
                batch_norm=batch_norm,
                **QUIET,
            )
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one.values_LAB, same.values_LAB)
        assert not np.allclose(one.values_LAB, other.values_LAB)
    assert net.training
    assert net[1].training
    assert net[1].momentum == 0.1
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_rescaled_network_that_computes_the_same_has_the_same_surface() -> None:
    """What filter normalisation is for (Li et al. 2018, section 4)."""
    net, scaled = small_network(norm=False), small_network(norm=False)
    with torch.no_grad():
        scaled[0].weight.mul_(10)
        scaled[3].weight.div_(10)
    losses = make_losses(["cross_entropy"])
    one, other = (
        compute_surface(n, plane=random_plane(n, seed=3), batches=images(), losses=losses, side=5, **QUIET)
        for n in (net, scaled)
    )
    np.testing.assert_allclose(one.values_LAB, other.values_LAB, rtol=1e-4)


def test_reestimated_batch_norm_undoes_a_scale_that_frozen_keeps() -> None:
    net = small_network().eval()
    nothing = {name: torch.zeros_like(value) for name, value in trained_weights(net).items()}
    along = nothing | {"0.weight": net[0].weight.detach().clone()}
    plane = Plane(trained_weights(net), along, nothing, "the first layer's scale")
    losses = make_losses(["cross_entropy"])
    frozen, estimated = (
        compute_surface(
            net, plane=plane, batches=images(), losses=losses, side=3, extent=0.5, batch_norm=mode, **QUIET
        ).values_LAB
        for mode in ("frozen", "reestimated")
    )
    np.testing.assert_allclose(estimated, estimated[0, 1, 1], rtol=1e-3)
    assert np.ptp(frozen) > 1e-3


def test_reestimated_means_are_those_of_the_batches() -> None:
    net = small_network()
    found = reestimated_buffers(net, trained_weights(net), [image for image, _ in images()])
    with torch.no_grad():
        maps = [net[0](image) for image, _ in images()]
    torch.testing.assert_close(found["1.running_mean"], torch.stack([x.mean((0, 2, 3)) for x in maps]).mean(0))
    torch.testing.assert_close(found["1.running_var"], torch.stack([x.var((0, 2, 3)) for x in maps]).mean(0))


class Heads(nn.Module):
    """Returns a mapping, as networks of several tasks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"pred": self.body(image)}


@pytest.mark.parametrize("at_once", [2, 4, 9])
def test_points_at_once_are_the_loop(at_once: int) -> None:
    dice = make_losses(["dice"])["dice"]
    heads = Heads()
    for net, losses in (
        (small_network(), make_losses(["dice", "hausdorff"])),
        (heads, {"dice": lambda outputs, label: dice(outputs["pred"], label)}),
    ):
        plane = random_plane(net, seed=0)
        one, many = (
            compute_surface(net, plane=plane, batches=images(), losses=losses, side=3, at_once=n, **QUIET)
            for n in (1, at_once)
        )
        np.testing.assert_allclose(one.values_LAB, many.values_LAB, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("at_once", [1, 4])
def test_on_a_gpu_the_surface_is_that_of_the_cpu(at_once: int) -> None:
    values = []
    for device in ("cpu", "cuda"):
        net = small_network().eval().to(device)
        plane = random_plane(small_network().eval(), seed=0)
        moved = Plane(*({name: value.to(device) for name, value in part.items()} for part in plane[:3]), plane.title)
        batches = [(image.to(device), label.to(device)) for image, label in images()]
        losses = {name: loss.to(device) for name, loss in make_losses(["cross_entropy", "dice"]).items()}
        settings = {"side": 5, "at_once": at_once} | QUIET
        values.append(compute_surface(net, plane=moved, batches=batches, losses=losses, **settings).values_LAB)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-3, atol=1e-4)


def test_an_interrupted_grid_continues(tmp_path: Path) -> None:
    net, file = Bowl(), tmp_path / "surface.npz"
    calls: list[int] = []

    def counted(output: Tensor, label: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return quadratic(output, label)

    plane = random_plane(net, seed=0)
    settings = {"plane": plane, "batches": ONE, "side": 5, **QUIET}
    with pytest.raises(KeyboardInterrupt):
        compute_surface(net, losses={"bowl": counted}, file=file, **settings)
    assert len(load_surface(file).waiting) == 15
    finished = compute_surface(net, losses={"bowl": counted}, file=file, **settings)
    assert len(calls) == 11 + 15
    whole = compute_surface(net, losses={"bowl": quadratic}, **settings)
    np.testing.assert_array_equal(finished.values_LAB, whole.values_LAB)
    saved = load_surface(file)
    np.testing.assert_array_equal(saved.values_LAB, whole.values_LAB)
    assert (saved.title, list(saved.names)) == (plane.title, ["bowl"])
    compute_surface(net, losses={"bowl": counted}, file=file, **settings)
    assert len(calls) == 26
    for change, message in (
        ({"plane": random_plane(net, seed=1)}, "directions differ"),
        ({"side": 7}, "grid differ"),
        ({"batches": [(torch.ones(1, 1), torch.zeros(1))]}, "images differ"),
        ({"batch_norm": "reestimated"}, "batch_norm differ"),
    ):
        with pytest.raises(DataError, match=message):
            compute_surface(net, losses={"bowl": quadratic}, file=file, **(settings | change))
    other = Bowl(seed=1)
    with pytest.raises(DataError, match="weights, directions differ"):
        compute_surface(
            other, losses={"bowl": quadratic}, file=file, **(settings | {"plane": random_plane(other, seed=0)})
        )
    with pytest.raises(DataError, match="losses differ"):
        compute_surface(net, losses={"other": quadratic}, file=file, **settings)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half"])
def test_a_broken_file_says_so(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "surface.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match="delete it"):
        load_surface(file)


def test_undefined_losses_are_infinite() -> None:
    surface = compute_surface(
        Bowl(),
        plane=random_plane(Bowl(), seed=0),
        batches=ONE,
        losses={"log": lambda output, label: output.sum().log()},
        side=3,
        extent=30.0,
        **QUIET,
    )
    assert np.isposinf(surface.values_LAB).any()
    assert not surface.waiting


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 4}, "odd number"),
        ({"extent": 0}, "above 0"),
        ({"batch_norm": "off"}, "one of frozen, reestimated"),
        ({"at_once": 0}, "from 1 on"),
        ({"at_once": 2, "batch_norm": "reestimated"}, "1, or batch_norm=frozen"),
        ({"batches": []}, "at least one of each"),
        ({"plane": random_plane(Bowl(), seed=0)}, "of another network"),
        (
            {"losses": make_losses(["cross_entropy"], num_classes=4)},
            r"cannot take the network's output \(\[3, 2, 8, 8\]",
        ),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    net = small_network()
    settings = {"plane": random_plane(net, seed=0), "batches": images(), "losses": make_losses(["dice"]), "side": 3}
    with pytest.raises(ConfigError, match=message):
        compute_surface(net, **(settings | QUIET | change))
