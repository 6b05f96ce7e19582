"""A student with its teacher in the state dict: what is called, what is switched, what is exchanged."""

import torch
from torch import nn

from shared.networks import StudentTeacher, WithTeacher
from shared.networks.student_teacher import make_teacher


def pair():
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    return student, make_teacher(student)


def test_calls_and_gradients_are_the_students_alone():
    student, teacher = pair()
    both = WithTeacher(student=student, teacher=teacher)
    image_BCHW = torch.rand(2, 1, 8, 8)
    both(image_BCHW).sum().backward()
    found = [parameter.grad.clone() for parameter in student.parameters()]
    student.zero_grad()
    expected = student(image_BCHW)
    expected.sum().backward()
    for one, other in zip(found, student.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert both.module is student


def test_train_does_not_reach_the_teacher():
    student, teacher = pair()
    both = WithTeacher(student=student, teacher=teacher)
    assert both.train() is both
    assert student.training
    assert not teacher.training
    both.eval()
    assert not student.training


def test_the_state_dict_is_that_of_validation_and_holds_buffers_of_both():
    student, teacher = pair()
    both, validated = WithTeacher(student=student, teacher=teacher), StudentTeacher(student=student, teacher=teacher)
    assert both.state_dict().keys() == validated.state_dict().keys()
    assert {"student.1.running_mean", "teacher.1.running_mean"} <= both.state_dict().keys()
    others = WithTeacher(student=pair()[0], teacher=pair()[1])
    with torch.no_grad():
        teacher[0].weight.add_(1)
    others.load_state_dict(both.state_dict())
    torch.testing.assert_close(others.teacher[0].weight, teacher[0].weight)
