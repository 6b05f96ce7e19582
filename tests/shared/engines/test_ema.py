"""The moving average against its closed form, parameters and buffers; the ramp against its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from shared.engines.ema import ema_decay, update_average
from shared.engines.ramp import ramp
from shared.networks import make_teacher


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1))


def test_closed_form_of_parameters_and_buffers() -> None:
    """teacher_n = d^n teacher_0 + (1 - d) sum of d^(n - k) student_k, in float64."""
    torch.manual_seed(0)
    student, decay, steps = network().double(), 0.9, 25
    teacher = make_teacher(student)
    start = {name: value.clone() for name, value in teacher.state_dict().items()}
    seen: list[dict[str, torch.Tensor]] = []
    for _ in range(steps):
        student(torch.randn(4, 1, 8, 8).double())
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.add_(torch.randn_like(parameter))
        seen.append({name: value.clone() for name, value in student.state_dict().items()})
        update_average(teacher, student, decay=decay)
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            parts = [(1 - decay) * decay ** (steps - 1 - k) * state[name] for k, state in enumerate(seen)]
            expected = decay**steps * start[name] + torch.stack(parts).sum(0)
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
        else:
            assert value == seen[-1][name] == steps
    assert not torch.equal(teacher[1].running_var, start["1.running_var"])


def test_the_published_start_is_the_plain_mean_of_all_students() -> None:
    student = nn.Linear(2, 2, dtype=torch.float64)
    teacher, weights = make_teacher(student), []
    for step in range(40):
        with torch.no_grad():
            student.weight.normal_()
        weights.append(student.weight.detach().clone())
        update_average(teacher, student, decay=ema_decay(step, ramping=True, decay=0.999))
        torch.testing.assert_close(teacher.weight, torch.stack(weights).mean(0), rtol=1e-12, atol=1e-12)


def test_the_first_update_makes_the_teacher_the_student_exactly() -> None:
    student, teacher = network(), make_teacher(network())
    update_average(teacher, student, decay=ema_decay(0, ramping=True, decay=0.999))
    assert all(torch.equal(value, student.state_dict()[name]) for name, value in teacher.state_dict().items())


def test_buffers_are_not_aliased_and_the_student_is_left_alone() -> None:
    student = network()
    teacher = make_teacher(student)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    update_average(teacher, student, decay=0.5)
    for value in teacher.state_dict().values():
        value.fill_(7)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(
    ("step", "ramping", "expected"),
    [(0, True, 0.0), (1, True, 0.5), (9, True, 0.9), (99, True, 0.99), (5000, True, 0.99), (3, False, 0.999)],
)
def test_published_decay(step: int, ramping: bool, expected: float) -> None:
    assert ema_decay(step, ramping=ramping, decay=0.999) == pytest.approx(expected)


def test_networks_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in"):
        update_average(nn.Linear(1, 1), nn.Conv2d(1, 1, 1, bias=False), decay=0.5)


def test_a_wrapped_student_is_unwrapped() -> None:
    student = nn.Linear(1, 1)
    teacher = make_teacher(nn.Linear(1, 1))
    wrapped = nn.Module()
    wrapped.module = student
    update_average(teacher, wrapped, decay=0.0)
    assert torch.equal(teacher.weight, student.weight)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, math.exp(-5)),
        (1, math.exp(-3.2)),
        (2.5, math.exp(-1.25)),
        (4, math.exp(-0.2)),
        (5, 1),
        (100, 1),
        (-1, math.exp(-5)),
    ],
)
def test_ramp_values(epoch: float, expected: float) -> None:
    assert ramp(epoch, rampup_epochs=5) == pytest.approx(expected, rel=1e-12)


def test_no_ramp_is_the_full_weight_from_the_start() -> None:
    assert ramp(0, rampup_epochs=0) == 1


def test_the_ramp_never_falls() -> None:
    values = [ramp(epoch / 10, rampup_epochs=5) for epoch in range(70)]
    assert values == sorted(values)
    assert values[0] < 0.01
    assert values[-1] == 1
