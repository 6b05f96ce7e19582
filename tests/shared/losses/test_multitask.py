"""The multi-task loss: missing labels add nothing, present ones equal MONAI's losses on the labelled rows."""

import pytest
import torch
from monai.losses import DiceFocalLoss
from sklearn.metrics import log_loss

from shared.errors import ConfigError
from shared.losses import GateLoss, MultiTaskLoss, OneHotFocalLoss

TASKS = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MA", "kind": "mask"},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    {"name": "OD", "kind": "mask"},
]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    outputs = {
        "pred": torch.randn(4, 2, 16, 16, generator=generator),
        "RG": torch.randn(4, 5, generator=generator),
        "MER": torch.randn(4, 3, generator=generator),
        "gate_logits": torch.randn(4, 4, 3, generator=generator),
    }
    labels = {
        "masks": (torch.rand(4, 2, 16, 16, generator=generator) > 0.7).to(torch.uint8),
        "grades": torch.tensor([[4, -1], [-1, -1], [0, 2], [1, 0]]),
        "labelled": torch.tensor([[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 0], [1, 0, 1, 0]]).bool(),
    }
    return outputs, labels


def make(**more):
    return MultiTaskLoss(
        tasks=TASKS, grade_losses=[torch.nn.CrossEntropyLoss()], mask_losses=[DiceFocalLoss(sigmoid=True)], **more
    )


def test_terms_equal_the_losses_of_the_labelled_rows(batch):
    outputs, labels = batch
    loss = make()
    total = loss(outputs, labels)
    terms = loss.last_terms
    probabilities = outputs["RG"].softmax(1)[[0, 2, 3]].numpy()
    assert terms["RG"].item() == pytest.approx(log_loss([4, 0, 1], probabilities, labels=range(5)), rel=1e-5)
    expected = DiceFocalLoss(sigmoid=True)(outputs["pred"][[1, 2], :1], labels["masks"][[1, 2], :1].float())
    torch.testing.assert_close(terms["MA"], expected)
    expected = DiceFocalLoss(sigmoid=True)(outputs["pred"][[1], 1:], labels["masks"][[1], 1:].float())
    torch.testing.assert_close(terms["OD"], expected)
    torch.testing.assert_close(total, sum(terms[name] for name in ("RG", "MA", "MER", "OD")))


def test_unlabelled_predictions_and_labels_do_not_matter(batch):
    outputs, labels = batch
    before = make()(outputs, labels)
    outputs["pred"][0] += 100
    outputs["MER"][1] = float("nan")
    labels["masks"][3] = 1
    torch.testing.assert_close(make()(outputs, labels), before)


def test_gradient_reaches_labelled_rows_only(batch):
    outputs, labels = batch
    maps = outputs["pred"].clone().requires_grad_()
    make()(outputs | {"pred": maps}, labels).backward()
    per_pair = maps.grad.abs().sum((2, 3)) > 0
    assert torch.equal(per_pair, labels["labelled"][:, [1, 3]])


def test_weights_and_gates_enter_the_total(batch):
    outputs, labels = batch
    gate = GateLoss(balance=0.5, z=0.1)
    loss = make(weights={"MA": 2.0}, gate_loss=gate)
    total = loss(outputs, labels)
    terms = loss.last_terms
    expected = (
        terms["RG"] + 2 * terms["MA"] + terms["MER"] + terms["OD"] + gate(outputs["gate_logits"], labels["labelled"])
    )
    torch.testing.assert_close(total, expected)


def test_a_batch_without_any_label_is_refused(batch):
    outputs, labels = batch
    with pytest.raises(ValueError, match="no photograph"):
        make()(outputs, labels | {"labelled": torch.zeros(4, 4, dtype=torch.bool)})


def test_a_weight_for_an_unknown_task_is_refused():
    with pytest.raises(ConfigError, match="XX"):
        make(weights={"XX": 1.0})


def test_one_hot_focal_loss_equals_its_formula():
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    target = torch.tensor([2])
    p = logits.sigmoid()[0]
    expected = 0.0
    for k in range(3):
        y = float(k == 2)
        p_t = p[k] * y + (1 - p[k]) * (1 - y)
        alpha = 0.75 * y + 0.25 * (1 - y)
        expected += -alpha * (1 - p_t) ** 4 * torch.log(p_t) / 3
    torch.testing.assert_close(OneHotFocalLoss(gamma=4, alpha=0.75)(logits, target), expected)
