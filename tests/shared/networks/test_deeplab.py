"""ASPP, decoder, experts: shapes, layout, and the corner of a batch of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.errors import ConfigError
from shared.networks.deeplab import ASPP, Decoder, DeepLabV3PlusHead, resize
from shared.networks.experts import GradeExpert, MaskExpert


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_aspp_keeps_the_size_and_trains_with_a_batch_of_one(depthwise: bool, batch: int) -> None:
    aspp = ASPP(32, rates=(2, 3), depthwise=depthwise).train()
    features = torch.randn(batch, 32, 5, 7, requires_grad=True)
    aspp(features).sum().backward()
    assert aspp(features).shape == (batch, 256, 5, 7)
    assert all(parameter.grad is not None for parameter in aspp.parameters())


def test_pooling_branch_of_one_photograph_uses_the_running_statistics() -> None:
    pooling = ASPP(8).pooling
    pooling.norm.running_mean.uniform_(-1, 1)
    pooling.norm.running_var.uniform_(0.5, 2)
    features = torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(pooling.train()(features), pooling.eval()(features))
    pair = torch.randn(2, 8, 4, 4)
    assert not torch.allclose(pooling.train()(pair), pooling.eval()(pair))


def test_aspp_has_the_papers_five_branches_with_their_rates() -> None:
    aspp = ASPP(16, rates=(6, 12, 18))
    rates = [branch[0].dilation[0] for branch in aspp.branches if branch[0].kernel_size == (3, 3)]
    assert rates == [6, 12, 18]
    assert aspp.project[0].in_channels == 5 * 256
    assert all(module.bias is not None for module in aspp.modules() if isinstance(module, nn.Conv2d))


def test_parameter_counts_of_the_parts() -> None:
    with torch.device("meta"):
        assert count(ASPP(2048, depthwise=True)) == 3_015_168
        assert count(ASPP(2048)) == 15_536_640
        assert count(GradeExpert(2048, num_classes=5)) == 2_382_341
        assert count(MaskExpert(256)) == 102_721
        assert count(MaskExpert(256, norm="group")) == 102_721


@pytest.mark.parametrize("depthwise", [False, True])
def test_decoder_equals_concatenation_then_layers(depthwise: bool) -> None:
    decoder = Decoder(8, depthwise=depthwise).eval()
    pyramid, low = torch.randn(2, 256, 6, 7), torch.randn(2, 8, 6, 7)
    merged = torch.cat([pyramid, decoder.low(low)], dim=1)
    if decoder.filter is not None:
        merged = decoder.filter(merged)
    expected = decoder.classify(decoder.merge(merged))
    torch.testing.assert_close(decoder(pyramid, low), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depthwise", [False, True])
def test_head_returns_logits_at_the_low_levels_size(depthwise: bool) -> None:
    head = DeepLabV3PlusHead(32, low_channels=8, out_channels=5, depthwise=depthwise)
    assert head(torch.randn(2, 32, 3, 4), torch.randn(2, 8, 11, 15)).shape == (2, 5, 11, 15)


def test_grade_expert_takes_any_size() -> None:
    expert = GradeExpert(32, num_classes=5)
    for size in ((1, 1), (4, 5), (45, 67)):
        inputs = [torch.randn(2, 32, *size)]
        assert list(expert(inputs).shape) == expert.output_shape(inputs) == [2, 5]


def test_resize_keeps_positions() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    fine = resize(ramp, like=torch.empty(1, 1, 16, 16))[0, 0, 0]
    centres = (torch.arange(16) + 0.5) / 4 - 0.5
    torch.testing.assert_close(fine, centres.clamp(0, 3))


def test_unknown_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="norm is 'layer'"):
        MaskExpert(8, norm="layer")
