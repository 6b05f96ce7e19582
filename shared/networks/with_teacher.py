"""A student that carries its teacher in its state dict: what sites of a federation exchange."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn


class WithTeacher(nn.Module):
    """The student, and in the state dict its teacher too, under the names that `StudentTeacher` gives them.

    `monai.fl.client.MonaiAlgo` exchanges the state dict of the trainer's network and gives it to the evaluator's. The
    mean over sites of their teachers is the teacher of the mean of their students, as both means are linear.

    Args:
        student: the trained network; calls and `train` reach it alone.
        teacher: its averaged copy or its peer.
    """

    def __init__(self, *, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher

    @property
    def module(self) -> nn.Module:
        """The network within, by the name that PyTorch's wrappers use."""
        return self.student

    def forward(self, image_BCHW: Tensor, **more: Any) -> Tensor:
        """The student's logits."""
        return self.student(image_BCHW, **more)

    def train(self, mode: bool = True) -> Self:
        """Switch the student; the trainer switches the teacher."""
        self.student.train(mode)
        return self
