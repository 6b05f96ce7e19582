"""Sparse dispatch = dense masked dispatch = a plain loop; and what sparse does not run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shared.networks.dispatch import DenseDispatch, SparseDispatch, put_rows, take_rows
from shared.networks.experts import GradeExpert, MaskExpert
from shared.networks.mixture import MixtureOfExperts
from shared.networks.routing import Router
from tests.references import moe_loop

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
NUM_ROWS, NUM_EXPERTS = 5, 4


def freeze(network: nn.Module) -> nn.Module:
    """Training with BatchNorm statistics frozen (at values other than the initial ones)."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.eval()
    return network


def build(kind: str, dispatch: str, *, mode: str, rule: str = "top_p", **options: object) -> MixtureOfExperts:
    torch.manual_seed(0)
    if kind == "grade":
        experts: list[nn.Module] = [GradeExpert(16, num_classes=5, dropout=0.0) for _ in range(NUM_EXPERTS)]
    else:
        experts = [MaskExpert(8, dropout=0.0, **options) for _ in range(NUM_EXPERTS)]  # type: ignore[arg-type]
    router = Router(16, num_experts=NUM_EXPERTS, rule=rule, top_p=0.75, eval_top_p=0.75, top_k=2)
    mixture = MixtureOfExperts(router, experts, dispatch=dispatch)
    freeze(mixture)
    return mixture.eval() if mode == "eval" else mixture


def make_inputs(kind: str) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(1)
    gate_features = torch.randn(NUM_ROWS, 16, 3, 5) * 6
    inputs = [torch.randn(NUM_ROWS, 16, 7, 9)]
    if kind == "mask":
        inputs = [torch.randn(NUM_ROWS, 256, 6, 7), torch.randn(NUM_ROWS, 8, 6, 7)]
    return gate_features.requires_grad_(), [tensor.requires_grad_() for tensor in inputs]


def gradients(output: Tensor, mixture: nn.Module, tensors: list[Tensor]) -> list[Tensor]:
    loss = (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(2))).sum()
    wanted = [*mixture.parameters(), *tensors]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return [torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True)]


@pytest.mark.parametrize("kind", ["grade", "mask"])
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("rule", ["top_p", "top_k", "dense"])
def test_sparse_equals_dense_equals_loop(kind: str, mode: str, rule: str) -> None:
    results = []
    needed_B = torch.ones(NUM_ROWS, dtype=torch.bool)
    for dispatch in ("sparse", "dense", "loop"):
        mixture = build(kind, "dense" if dispatch == "loop" else dispatch, mode=mode, rule=rule)
        gate_features, inputs = make_inputs(kind)
        if dispatch == "loop":
            scores_BE = torch.softmax(mixture.router.linear(gate_features.mean((2, 3))), dim=1)
            output = moe_loop.mix(list(mixture.dispatch.experts), inputs, scores_BE, rule=rule, p=0.75, k=2)
        else:
            output = mixture(gate_features, inputs, needed_B).output
        results.append([output, *gradients(output, mixture, [gate_features, *inputs])])
    selected_BE = mixture.router(gate_features).selected_BE
    if rule == "top_p":
        assert len({int(count) for count in selected_BE.sum(dim=1)}) > 1, "the rows should differ in experts"
    for sparse, dense, loop in zip(*results, strict=True):
        torch.testing.assert_close(sparse, dense, **TOLERANCE)
        torch.testing.assert_close(sparse, loop, **TOLERANCE)


@pytest.mark.parametrize("kind", ["grade", "mask"])
def test_bf16_sparse_equals_dense_with_the_routing_held_fixed(kind: str) -> None:
    logits_BE = torch.randn(NUM_ROWS, NUM_EXPERTS, generator=torch.Generator().manual_seed(3)) * 3
    needed_B = torch.ones(NUM_ROWS, dtype=torch.bool)
    outputs = {}
    for dispatch, dtype in (("sparse", torch.bfloat16), ("dense", torch.bfloat16), ("dense", torch.float32)):
        mixture = build(kind, dispatch, mode="train")
        gate_features, inputs = make_inputs(kind)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = mixture(gate_features, inputs, needed_B, logits_BE).output
        assert output.dtype == torch.float32, "mixing stays in full precision"
        outputs[dispatch, dtype] = [output, *gradients(output, mixture, inputs)]
    for sparse, dense, exact in zip(*outputs.values(), strict=True):
        assert (sparse - dense).norm() <= 0.01 * dense.norm()
        assert (sparse - exact).norm() <= 0.1 * exact.norm()


class Recorder(nn.Module):
    """An expert that notes which rows it saw; row r of the input is full of r."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen: list[list[int]] = []

    def output_shape(self, inputs: list[Tensor]) -> list[int]:
        return [inputs[0].shape[0], 3]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        self.seen.append(inputs[0][:, 0].int().tolist())
        return inputs[0] * self.scale


def test_an_expert_sees_exactly_its_rows_and_an_unselected_one_does_not_run() -> None:
    dispatch = SparseDispatch([Recorder() for _ in range(4)])
    inputs = [torch.arange(4.0).unsqueeze(1).repeat(1, 3)]
    selected_BE = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0]]).bool()
    weights_BE = selected_BE / selected_BE.sum(dim=1, keepdim=True)
    mixed = dispatch(inputs, weights_BE, selected_BE)
    torch.testing.assert_close(mixed, inputs[0])
    assert [expert.seen for expert in dispatch.experts] == [[[0, 1, 2, 3]], [[0, 3]], [[1, 2]], []]
    mixed.sum().backward()
    assert [expert.scale.grad is None for expert in dispatch.experts] == [False, False, False, True]


def test_rows_that_nobody_serves_are_zeros() -> None:
    inputs, selected_BE = [torch.ones(3, 3)], torch.tensor([[0], [1], [0]]).bool()
    for kind in (SparseDispatch, DenseDispatch):
        mixed = kind([Recorder()])(inputs, torch.ones(3, 1), selected_BE)
        assert mixed.tolist() == [[0] * 3, [1] * 3, [0] * 3]
    nobody = SparseDispatch([Recorder()])
    assert nobody(inputs, torch.ones(3, 1), torch.zeros(3, 1).bool()).tolist() == [[0] * 3] * 3
    assert nobody.experts[0].seen == []


def test_consecutive_rows_are_views_and_others_are_copies() -> None:
    tensor = torch.arange(10.0).reshape(5, 2)
    for rows, is_view in (([0, 1, 2, 3, 4], True), ([1, 2, 3], True), ([4], True), ([0, 2], False)):
        taken = take_rows(tensor, torch.tensor(rows))
        assert taken.tolist() == tensor[rows].tolist()
        assert (taken.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()) == is_view


def test_put_rows_reverses_take_rows() -> None:
    tensor, rows = torch.randn(5, 2), torch.tensor([0, 2, 3])
    put = put_rows(take_rows(tensor, rows), rows, 5)
    assert torch.equal(put[rows], tensor[rows])
    assert (put[[1, 4]] == 0).all()
    assert take_rows(tensor, None) is tensor
    assert put_rows(tensor, None, 5) is tensor


def test_rows_not_needed_are_routed_nowhere() -> None:
    for dispatch in ("sparse", "dense"):
        mixture = build("grade", dispatch, mode="eval")
        gate_features, inputs = make_inputs("grade")
        needed_B = torch.tensor([True, False, True, False, True])
        every = mixture(gate_features, inputs, torch.ones(NUM_ROWS, dtype=torch.bool))
        some = mixture(gate_features, inputs, needed_B)
        for whole, part in zip(every, some, strict=True):
            torch.testing.assert_close(part[needed_B], whole[needed_B], **TOLERANCE)
            assert (part[~needed_B] == 0).all()


def test_batchnorm_in_plain_training_depends_on_the_routing_and_groupnorm_does_not() -> None:
    needed_B = torch.ones(NUM_ROWS, dtype=torch.bool)
    differences = {}
    for norm in ("batch", "group"):
        outputs = []
        for dispatch in ("sparse", "dense"):
            mixture = build("mask", dispatch, mode="train", norm=norm).train()
            outputs.append(mixture(*make_inputs("mask"), needed_B).output)
        differences[norm] = float((outputs[0] - outputs[1]).abs().max().detach())
    assert differences["group"] < 1e-5
    assert differences["batch"] > 1e-3
