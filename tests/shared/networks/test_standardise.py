import pytest
import torch

from shared.errors import ConfigError
from shared.networks import MultiTaskNetwork
from shared.networks.standardise import StandardisePooled

TASKS = [{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "EX", "kind": "mask"}]


def batch_norm_twin(channels, momentum, eps):
    return torch.nn.BatchNorm1d(channels, affine=False, momentum=momentum, eps=eps)


@pytest.mark.parametrize("rows", [2, 5])
def test_pooled_result_and_running_statistics_are_batch_norms_forward_and_gradient(rows):
    torch.manual_seed(0)
    ours, twin = StandardisePooled(6, momentum=0.2, eps=1e-3), batch_norm_twin(6, 0.2, 1e-3)
    for _ in range(3):
        features = (torch.rand(rows, 6, 4, 5) + torch.arange(6.0)[:, None, None]).requires_grad_()
        other = features.detach().clone().requires_grad_()
        pooled, expected = ours(features).mean((2, 3)), twin(other.mean((2, 3)))
        torch.testing.assert_close(pooled, expected, atol=2e-5, rtol=1e-5)
        weight = torch.rand_like(pooled)
        (pooled * weight).sum().backward()
        (expected * weight).sum().backward()
        torch.testing.assert_close(features.grad, other.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.running_mean_C, twin.running_mean)
    torch.testing.assert_close(ours.running_var_C, twin.running_var)
    ours.eval(), twin.eval()
    features = torch.rand(3, 6, 4, 5)
    torch.testing.assert_close(ours(features).mean((2, 3)), twin(features.mean((2, 3))), atol=2e-5, rtol=1e-5)


def test_a_single_photograph_uses_the_running_statistics_and_leaves_them():
    module = StandardisePooled(4)
    module(torch.rand(6, 4, 3, 3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    features = torch.rand(1, 4, 3, 3)
    trained = module(features)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(trained, module.eval()(features))


def test_it_adds_no_parameter_and_is_scripted():
    with_it = MultiTaskNetwork(tasks=TASKS, backbone="resnet18", num_experts=2)
    without = MultiTaskNetwork(tasks=TASKS, backbone="resnet18", num_experts=2, grade_norm="none")
    assert sum(p.numel() for p in with_it.parameters()) == sum(p.numel() for p in without.parameters())
    assert with_it.state_dict().keys() - without.state_dict().keys() == {
        "standardise.running_mean_C",
        "standardise.running_var_C",
    }
    scripted = torch.jit.script(StandardisePooled(3).eval())
    assert scripted(torch.rand(2, 3, 4, 4)).shape == (2, 3, 4, 4)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigError, match=r"grade_norm is 'layer'.*\n.*batch.*none"):
        MultiTaskNetwork(tasks=TASKS, backbone="resnet18", grade_norm="layer")
