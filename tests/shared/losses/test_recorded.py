"""A recorded loss is the loss: value and gradient; what it was is kept, detached."""

import torch

from shared.losses import RecordedLoss, SegmentationLoss


def test_value_gradient_and_record():
    torch.manual_seed(0)
    logits, label = torch.randn(2, 2, 6, 6), torch.randint(0, 2, (2, 1, 6, 6))
    plain = SegmentationLoss(name="dice_cross_entropy", num_classes=2, class_weights=[1, 3])
    recorded = RecordedLoss(SegmentationLoss(name="dice_cross_entropy", num_classes=2, class_weights=[1, 3]))
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = recorded(one, label), plain(other, label)
    value.backward()
    expected.backward()
    assert torch.equal(value, expected)
    assert torch.equal(one.grad, other.grad)
    assert list(recorded.last_terms) == ["total"]
    assert torch.equal(recorded.last_terms["total"], expected)
    assert not recorded.last_terms["total"].requires_grad
