"""Gate losses against plain loops and closed forms."""

import math

import pytest
import torch

from shared.losses import GateLoss


def loop_terms(logits, used, scoring, on):
    """Sparsity, balance, entropy, z: one task and one photograph at a time; means over tasks in use."""
    sums, active = [0.0] * 4, 0
    _, num_tasks, num_experts = logits.shape
    for t in range(num_tasks):
        rows = [logits[b, t].double() for b in range(len(logits)) if used[b, t]]
        if not rows:
            continue
        active += 1
        scores = [row.softmax(0) if scoring == "softmax" else row.sigmoid() for row in rows]
        normalised = [s / s.sum() for s in scores]
        base = scores if on == "raw" else normalised
        mean = sum(base) / len(base)
        sums[0] += float(sum(s.mean() for s in scores) / len(rows))
        sums[1] += sum(1 / num_experts * math.log(1 / num_experts / float(m)) for m in mean) / num_experts
        sums[2] += float(sum(-(q * q.log()).sum() for q in normalised) / len(rows))
        sums[3] += float(sum(row.exp().sum().log() ** 2 for row in rows) / len(rows))
    return [s / active for s in sums]


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("on", ["normalised", "raw"])
def test_terms_equal_a_loop(scoring, on):
    torch.manual_seed(0)
    logits = torch.randn(5, 4, 3)
    used = torch.rand(5, 4) > 0.4
    used[:, 2] = False
    terms = GateLoss(scoring=scoring, on=on).terms(logits, used)
    expected = torch.tensor(loop_terms(logits, used, scoring, on), dtype=torch.float64)
    torch.testing.assert_close(torch.stack(list(terms)).double(), expected, rtol=1e-4, atol=1e-6)


def test_balance_is_zero_when_the_batch_uses_all_alike_though_each_photograph_uses_one():
    logits = 40 * torch.eye(3).reshape(3, 1, 3)
    terms = GateLoss().terms(logits, torch.ones(3, 1, dtype=torch.bool))
    assert abs(float(terms.balance)) < 1e-6
    assert float(terms.entropy) < 1e-6


def test_published_gate_losses_are_least_when_all_experts_share_alike():
    """Defect 10 of the published system: no photograph prefers an expert, so nothing ever becomes sparse."""
    loss = GateLoss(scoring="sigmoid", sparsity=1, balance=1, entropy=-1, z=0, on="raw", reduction="sum")
    used = torch.ones(6, 1, dtype=torch.bool)
    logits = torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(2000):
        optimiser.zero_grad()
        loss(logits, used).backward()
        optimiser.step()
    scores_BE = logits.sigmoid().detach()[:, 0]
    torch.testing.assert_close(scores_BE, scores_BE.mean(1, keepdim=True).expand(6, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(scores_BE.mean(0), torch.full((3,), 1 / 3), atol=0.02, rtol=0)


def spread(memory):
    """Mean scores of the experts after training six free gates, one photograph per step."""
    more = {"memory": memory, "num_tasks": 1, "num_experts": 3} if memory else {}
    loss = GateLoss(balance=1.0, entropy=1.0, z=0.1, **more)
    logits = torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0)).mul(0.1)
    logits[..., 0] += 0.3
    logits.requires_grad_()
    optimiser = torch.optim.SGD([logits], lr=0.5)
    for step in range(1200):
        optimiser.zero_grad()
        b = step % 6
        loss(logits[b : b + 1], torch.ones(1, 1, dtype=torch.bool)).backward()
        optimiser.step()
    return logits.detach()[:, 0].softmax(1).mean(0)


def test_memory_keeps_single_photographs_from_collapsing_onto_one_expert():
    assert spread(memory=0.0).max() > 0.9
    assert spread(memory=0.9).max() < 0.75


def test_memory_changes_the_mean_not_the_size_of_the_gradient():
    logits = torch.randn(4, 2, 3, requires_grad=True)
    used = torch.ones(4, 2, dtype=torch.bool)
    plain = GateLoss(balance=1.0, z=0.0)
    (expected,) = torch.autograd.grad(plain(logits, used), logits)
    kept = GateLoss(balance=1.0, z=0.0, memory=0.9, num_tasks=2, num_experts=3)
    for _ in range(200):  # the running mean reaches the batch's own
        kept(logits.detach(), used)
    (gradient,) = torch.autograd.grad(kept(logits, used), logits)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
    assert "mean_TE" in kept.state_dict()
    assert "mean_TE" not in plain.state_dict()


def test_unused_pairs_have_no_gradient_and_no_pair_gives_zero():
    logits = torch.randn(2, 2, 3, requires_grad=True)
    used = torch.tensor([[True, False], [False, False]])
    GateLoss(entropy=0.1)(logits, used).backward()
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[~used].abs().sum() == 0
    assert float(GateLoss(entropy=0.1)(torch.randn(2, 2, 3), torch.zeros(2, 2, dtype=torch.bool))) == 0


@pytest.mark.parametrize("wrong", [{"scoring": "relu"}, {"on": "both"}, {"reduction": "max"}, {"memory": 0.9}])
def test_wrong_choices_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GateLoss(**wrong)
