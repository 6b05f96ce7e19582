"""`GridAverage` against PyTorch's adaptive average pool."""

import pytest
import torch
from torch import nn

from shared.export.pooling import GridAverage, with_grid_averages


@pytest.mark.parametrize("size", [(11, 16), (4, 6), (23, 55), (1, 1), (46, 33), (32, 32)])
@pytest.mark.parametrize("grid", [(11, 16), 16, 8])
def test_equals_the_adaptive_pool_forward_and_backward(size, grid):
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    twin = given.detach().clone().requires_grad_()
    ours, theirs = GridAverage(grid)(given), nn.AdaptiveAvgPool2d(grid)(twin)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(given.grad, twin.grad)


def test_a_copy_is_changed_wherever_the_pool_lies_and_a_global_mean_stays():
    network = nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d((4, 5))), nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1))
    changed = with_grid_averages(network)
    assert isinstance(changed[0][0], GridAverage)
    assert isinstance(changed[2], nn.AdaptiveAvgPool2d)
    assert isinstance(network[0][0], nn.AdaptiveAvgPool2d)
    assert changed.state_dict().keys() == network.state_dict().keys()
    image = torch.randn(1, 3, 9, 7)
    torch.testing.assert_close(changed(image), network(image))
