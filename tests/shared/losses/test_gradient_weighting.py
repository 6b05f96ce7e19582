"""torchjd's methods against plain computations with exactly two tasks; what the random and stateful ones promise."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.losses.gradient_weighting import CAGRAD_C, backward_by_task, make_aggregator
from shared.networks.hard_sharing_unet import HardSharingUNet

CONFLICT = torch.tensor([[2.0, 0.5, 0.0], [-1.0, 1.0, 0.5]])
STRONG = torch.tensor([[4.0, 0.5, 0.0], [-1.0, 1.0, 0.5]])  # the mean would harm the second task
AGREEMENT = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.5]])


def without(first: Tensor, second: Tensor) -> Tensor:
    """``first`` without its part against ``second``."""
    return first - torch.clamp(first @ second, max=0) / (second @ second) * second


def pcgrad(first: Tensor, second: Tensor) -> Tensor:
    return without(first, second) + without(second, first)


def mgda(first: Tensor, second: Tensor) -> Tensor:
    """The shortest vector between the two."""
    share = ((second - first) @ second / ((first - second) @ (first - second))).clamp(0, 1)
    return share * first + (1 - share) * second


def cagrad(first: Tensor, second: Tensor) -> Tensor:
    """Equation 5 of the paper, its weight found by trying."""
    mean = (first + second) / 2
    radius = CAGRAD_C * mean.norm()
    share_N = torch.linspace(0, 1, 100_001)[:, None]
    mixed_N3 = share_N * first + (1 - share_N) * second
    best = mixed_N3[(mixed_N3 @ mean + radius * mixed_N3.norm(dim=1)).argmin()]
    return mean + radius * best / best.norm()


def dualproj(first: Tensor, second: Tensor) -> Tensor:
    """The mean, brought to where it opposes neither (with two tasks it opposes one at most)."""
    mean = (first + second) / 2
    return without(without(mean, first), second)


def imtl_g(first: Tensor, second: Tensor) -> Tensor:
    """Weights with sum 1 for which both have the same projection."""
    unit = first / first.norm() - second / second.norm()
    share = -(second @ unit) / ((first - second) @ unit)
    return share * first + (1 - share) * second


TWINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": lambda first, second: (first + second) / 2,
    "pcgrad": pcgrad,
    "upgrad": lambda first, second: pcgrad(first, second) / 2,
    "mgda": mgda,
    "cagrad": cagrad,
    "dualproj": dualproj,
    "imtl_g": imtl_g,
}


@pytest.mark.parametrize("matrix", [CONFLICT, STRONG, AGREEMENT], ids=["conflict", "strong", "agreement"])
@pytest.mark.parametrize("method", TWINS)
def test_the_same_step_as_a_plain_computation(method: str, matrix: Tensor) -> None:
    found = make_aggregator(method, num_tasks=2)(matrix)
    torch.testing.assert_close(found, TWINS[method](*matrix), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("method", ["upgrad", "pcgrad", "mgda", "dualproj"])
def test_no_task_is_sacrificed(method: str) -> None:
    assert (STRONG @ STRONG.mean(0)).min() < -0.5
    assert (STRONG @ make_aggregator(method, num_tasks=2)(STRONG)).min() > -5e-3  # the library regularises a little


def test_random_weights_are_shares_that_change_and_follow_the_seed() -> None:
    aggregate = make_aggregator("random", num_tasks=2)
    torch.manual_seed(0)
    drawn = [aggregate(CONFLICT) for _ in range(5)]
    torch.manual_seed(0)
    assert torch.equal(aggregate(CONFLICT), drawn[0])
    shares = [
        float(((d - CONFLICT[1]) @ (CONFLICT[0] - CONFLICT[1])) / (CONFLICT[0] - CONFLICT[1]).norm() ** 2)
        for d in drawn
    ]
    assert all(0 < share < 1 for share in shares)
    assert len({round(share, 4) for share in shares}) == 5
    for step, share in zip(drawn, shares, strict=True):
        torch.testing.assert_close(step, share * CONFLICT[0] + (1 - share) * CONFLICT[1], atol=1e-4, rtol=1e-4)


def test_graddrop_keeps_one_sign_in_every_place() -> None:
    aggregate = make_aggregator("graddrop", num_tasks=2)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        step = aggregate(CONFLICT)
        assert step[1:].tolist() == [1.5, 0.5]  # no conflict there
        seen.add(float(step[0]))
    assert seen == {2.0, -1.0}


def test_nash_balances_what_each_task_gains_and_forgets_its_state_when_asked() -> None:
    aggregate: Any = make_aggregator("nash_mtl", num_tasks=2)
    step = aggregate(CONFLICT)
    weights = torch.linalg.lstsq(CONFLICT.T, step[:, None]).solution[:, 0]
    gains = weights * (CONFLICT @ step)  # Nash: every task's weight is the inverse of its gain, up to a common factor
    assert float(gains.min()) > 0
    assert float(gains.max() / gains.min()) < 1.05
    aggregate(AGREEMENT * 3)
    aggregate.reset()
    torch.testing.assert_close(aggregate(CONFLICT), step)


def make_losses() -> tuple[HardSharingUNet, dict[str, Tensor]]:
    torch.manual_seed(0)
    network = HardSharingUNet(num_masks=0, grades={"species": 2}, box=True, channels=(2, 2, 4, 4)).eval()
    outputs = network(torch.rand(2, 3, 16, 16))
    return network, {"species": outputs["species"].square().sum(), "box": outputs["box"].square().sum()}


def test_the_trunk_gets_the_mean_and_a_head_its_own_task() -> None:
    network, losses = make_losses()
    heads = [*network.grade_heads.parameters(), *network.box_head.parameters()]
    aggregate = make_aggregator("mean", num_tasks=2)
    backward_by_task(losses, shared=network.encoder.parameters(), own=heads, aggregator=aggregate)
    plain, same = make_losses()
    sum(same.values(), torch.zeros(())).backward()
    for (name, found), expected in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert found.grad is not None
        assert expected.grad is not None
        factor = 0.5 if name.startswith("encoder") else 1.0
        torch.testing.assert_close(found.grad, factor * expected.grad)


def test_gradients_add_up() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    aggregate = make_aggregator("mean", num_tasks=2)
    for _ in range(2):
        losses = {"a": weight[0] ** 2, "b": weight[1] ** 2}
        backward_by_task(losses, shared=[weight], own=[], aggregator=aggregate)
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0, 4.0]


def test_an_unknown_method_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pcgrad'"):
        make_aggregator("pc_grad", num_tasks=2)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchjd", None)
    with pytest.raises(ConfigError, match=r"monai-eye-bundles\[pets\]"):
        make_aggregator("upgrad", num_tasks=2)


@pytest.mark.parametrize(
    ("solver", "methods"),
    [("quadprog", ("upgrad", "dualproj")), ("cvxpy", ("cagrad", "nash_mtl")), ("ecos", ("nash_mtl",))],
)
def test_without_a_solver_its_methods_alone_are_refused(
    solver: str, methods: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixins: Any = importlib.import_module("torchjd._mixins")
    real = importlib.util.find_spec
    monkeypatch.setattr(mixins, "find_spec", lambda name: None if name == solver else real(name))
    for method in methods:
        with pytest.raises(ConfigError, match=rf"{method}.*{solver}"):
            make_aggregator(method, num_tasks=2)
    for method in ("mean", "pcgrad", "mgda", "imtl_g", "graddrop", "random"):
        make_aggregator(method, num_tasks=2)(CONFLICT)


def test_pcgrad_with_three_tasks_projects_in_an_order_that_follows_the_seed() -> None:
    matrix = torch.tensor([[2.0, 0.5, 0.0], [-1.0, 1.0, 0.5], [0.5, -1.0, 1.0]])
    aggregate = make_aggregator("pcgrad", num_tasks=3)

    def step(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return aggregate(matrix)

    def projected(first: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        for other in others:
            first = without(first, other)
        return first

    choices = []
    for place, row in enumerate(matrix):
        one, two = (other for index, other in enumerate(matrix) if index != place)
        choices.append((projected(row, (one, two)), projected(row, (two, one))))
    possible = [sum(chosen) for chosen in itertools.product(*choices)]
    steps = [step(seed) for seed in range(20)]
    for found in steps:
        assert min(float((found - expected).abs().max()) for expected in possible) < 1e-5
    assert torch.equal(step(3), steps[3])
    assert len({tuple(round(float(x), 4) for x in found) for found in steps}) > 1


def test_nash_goes_on_from_its_last_weights() -> None:
    """Its weights are solved for every so many steps and kept in between: the state that a step depends on."""
    aggregate: Any = make_aggregator("nash_mtl", num_tasks=2)
    first = aggregate(CONFLICT)
    fresh: Any = make_aggregator("nash_mtl", num_tasks=2)
    torch.testing.assert_close(fresh(CONFLICT), first)
    assert float((aggregate(CONFLICT) @ first) / first.norm() ** 2) > 0.9


@pytest.mark.parametrize("num_tasks", [1, 3])
def test_nash_takes_a_batch_that_lacks_a_tasks_labels(num_tasks: int) -> None:
    aggregate = make_aggregator("nash_mtl", num_tasks=num_tasks)
    if num_tasks == 3:
        expected = make_aggregator("nash_mtl", num_tasks=2)(CONFLICT)
        aggregate(torch.cat([CONFLICT, AGREEMENT[:1]]))
        torch.testing.assert_close(aggregate(CONFLICT), expected)
    torch.testing.assert_close(aggregate(torch.tensor([[3.0, 4.0]])), torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(aggregate(torch.tensor([[0.3, 0.4]])), torch.tensor([0.3, 0.4]))


@pytest.mark.parametrize("method", ["mean", "cagrad", "nash_mtl"])
def test_an_infinite_gradient_stays_for_the_scaler_to_find(method: str) -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    losses = {"a": weight[0] * float("inf"), "b": weight[1] ** 2}
    backward_by_task(losses, shared=[weight], own=[], aggregator=make_aggregator(method, num_tasks=2))
    assert weight.grad is not None
    assert not weight.grad.isfinite().all()
