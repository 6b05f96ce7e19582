"""Routing against a sort, and its corners."""

from __future__ import annotations

import pytest
import torch

from shared.errors import ConfigError
from shared.networks.routing import Router, select_top_k, select_top_p
from tests.references import moe_loop


def as_set(selected_E: torch.Tensor) -> set[int]:
    return set(selected_E.nonzero().flatten().tolist())


@pytest.mark.parametrize("num_experts", [1, 2, 3, 8])
@pytest.mark.parametrize("p", [1e-6, 0.3, 0.5, 0.75, 0.8, 1.0, 1.7, 100.0])
def test_top_p_equals_the_sort(num_experts: int, p: float) -> None:
    # Multiples of 1/16 add up exactly in any order, so that ties and sums that just reach p are decided exactly.
    scores_BE = torch.randint(0, 17, (200, num_experts), generator=torch.Generator().manual_seed(0)) / 16
    selected_BE = select_top_p(scores_BE, p)
    for scores_E, selected_E in zip(scores_BE, selected_BE, strict=True):
        assert as_set(selected_E) == set(moe_loop.select(scores_E.tolist(), rule="top_p", p=p))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_top_k_equals_the_sort(k: int) -> None:
    scores_BE = torch.randint(0, 5, (200, 5), generator=torch.Generator().manual_seed(0)) / 4
    selected_BE = select_top_k(scores_BE, k)
    for scores_E, selected_E in zip(scores_BE, selected_BE, strict=True):
        assert as_set(selected_E) == set(moe_loop.select(scores_E.tolist(), rule="top_k", k=k))
    assert (selected_BE.sum(dim=1) == k).all()


@pytest.mark.parametrize(
    ("scores", "p", "expected"),
    [
        ([0.2, 0.5, 0.3], 0.5, {1}),
        ([0.2, 0.5, 0.3], 0.51, {1, 2}),
        ([0.25, 0.25, 0.25, 0.25], 0.5, {0, 1}),
        ([0.1, 0.4, 0.4, 0.1], 0.75, {1, 2}),
        ([0.1, 0.2, 0.1], 0.75, {0, 1, 2}),
        ([0.9, 0.8, 0.1], 0.75, {0}),
        ([0.0, 0.0, 0.0], 0.75, {0, 1, 2}),
        ([0.1, 0.9], 1e-12, {1}),
    ],
    ids=["just reached", "just missed", "ties", "inner ties", "never reached", "sigmoid", "all zero", "tiny p"],
)
def test_top_p_by_hand(scores: list[float], p: float, expected: set[int]) -> None:
    assert as_set(select_top_p(torch.tensor([scores]), p)[0]) == expected


def router(**options: object) -> Router:
    torch.manual_seed(0)
    return Router(6, **{"num_experts": 4, **options})  # type: ignore[arg-type]


def test_p_of_one_takes_every_expert_under_softmax_even_when_saturated() -> None:
    logits_BE = torch.tensor([[200.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    routing = router(eval_top_p=1.0).eval()(torch.zeros(2, 6), logits_BE)
    assert routing.selected_BE.all()


def test_sigmoid_scores_are_not_normalised_before_they_are_cumulated() -> None:
    logits_BE = torch.logit(torch.tensor([[0.7, 0.6, 0.5, 0.4]]))
    routing = router(scoring="sigmoid", eval_top_p=1.2).eval()(torch.zeros(1, 6), logits_BE)
    assert as_set(routing.selected_BE[0]) == {0, 1}
    torch.testing.assert_close(routing.weights_BE, torch.tensor([[7 / 13, 6 / 13, 0, 0]]))


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("rule", ["dense", "top_p", "top_k"])
def test_weights_are_the_renormalised_scores_of_the_selected(scoring: str, rule: str) -> None:
    routing = router(scoring=scoring, rule=rule, top_k=2).eval()(torch.randn(32, 6, 5, 7) * 9)
    kept_BE = routing.scores_BE * routing.selected_BE
    torch.testing.assert_close(routing.weights_BE, kept_BE / kept_BE.sum(dim=1, keepdim=True))
    assert (routing.weights_BE[~routing.selected_BE] == 0).all()
    assert routing.selected_BE.any(dim=1).all()


def test_weights_survive_scores_that_all_underflow() -> None:
    routing = router(scoring="sigmoid").eval()(torch.zeros(1, 6), torch.full((1, 4), -300.0))
    assert routing.scores_BE.sum() == 0
    torch.testing.assert_close(routing.weights_BE, torch.full((1, 4), 0.25))


def test_gradients_of_the_weights_equal_those_of_the_plain_formula() -> None:
    logits_BE = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    target_BE = torch.randn(5, 4, dtype=torch.float64)
    routing = router(scoring="sigmoid").eval()(torch.zeros(5, 6), logits_BE)
    (gradient,) = torch.autograd.grad((routing.weights_BE * target_BE).sum(), logits_BE)
    kept_BE = torch.sigmoid(logits_BE) * routing.selected_BE
    (expected,) = torch.autograd.grad((kept_BE / kept_BE.sum(1, keepdim=True) * target_BE).sum(), logits_BE)
    torch.testing.assert_close(gradient, expected)
    assert gradient.abs().sum() > 0


def test_pooling_then_linear_also_under_autocast_in_full_precision() -> None:
    gate, features = router(), torch.randn(3, 6, 5, 7)
    expected = gate.linear(features.mean(dim=(2, 3)))
    torch.testing.assert_close(gate(features).logits_BE, expected)
    torch.testing.assert_close(gate(features.mean(dim=(2, 3))).logits_BE, expected)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(gate(features).logits_BE, expected)


def test_rule_of_training_can_be_set_and_evaluation_keeps_its_own() -> None:
    gate, features = router(top_p=0.3, eval_top_p=0.3), torch.randn(64, 6)
    gate.set_rule("dense")
    assert gate.train()(features).selected_BE.all()
    assert not gate.eval()(features).selected_BE.all()
    gate.set_rule("top_p")
    torch.testing.assert_close(gate.train()(features).selected_BE, gate.eval()(features).selected_BE)


def test_training_and_evaluation_have_their_own_p() -> None:
    gate, logits_BE = router(top_p=0.9, eval_top_p=0.5), torch.log(torch.tensor([[0.6, 0.35, 0.03, 0.02]]))
    assert gate.train()(torch.zeros(1, 6), logits_BE).selected_BE.sum() == 2
    assert gate.eval()(torch.zeros(1, 6), logits_BE).selected_BE.sum() == 1


def test_a_dense_router_stays_dense_in_evaluation() -> None:
    assert router(rule="dense", eval_top_p=0.1).eval()(torch.randn(8, 6)).selected_BE.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "top-p"}, r"routing rule is 'top-p'[\s\S]*top_p"),
        ({"scoring": "tanh"}, "scoring is 'tanh'"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"eval_top_p": -1.0}, "eval_top_p is -1.0"),
        ({"rule": "top_k", "top_k": 5}, r"top_k is 5[\s\S]*1 to 4"),
        ({"num_experts": 0}, "num_experts is 0"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        router(**options)


def test_scripted_router_decides_alike() -> None:
    gate, features = router().eval(), torch.randn(16, 6, 3, 3)
    for plain, scripted in zip(gate(features), torch.jit.script(gate)(features), strict=True):
        torch.testing.assert_close(plain, scripted)
