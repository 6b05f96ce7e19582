"""A network and its companion: an averaged copy without gradients, or a peer that is trained beside it."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from shared.choices import check_choice

STUDENT, TEACHER = "student", "teacher"
Network = TypeVar("Network", bound=nn.Module)


def make_teacher(network: Network) -> Network:
    """A deep copy in evaluation mode whose parameters take no gradient; parameters and buffers share no memory."""
    teacher = copy.deepcopy(network).requires_grad_(False)
    return teacher.eval()


def make_peer(network: Network, *, seed: int = 0) -> Network:
    """A deep copy whose decoder and head start elsewhere, to be trained beside the network.

    The encoder is kept, as it may come from ImageNet.

    Args:
        network: has an ``encoder``.
        seed: of the new weights; the global generator is left as it was.
    """
    peer = copy.deepcopy(network)
    encoder = set(peer.get_submodule("encoder").modules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in peer.modules():
            if module not in encoder and isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
    return peer


class StudentTeacher(nn.Module):
    """Both networks on the same images, for validation.

    Args:
        student: the trained network.
        teacher: its averaged copy or its peer; None for the student alone.
    """

    def __init__(self, *, student: nn.Module, teacher: nn.Module | None) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher

    def forward(self, image_BCHW: Tensor) -> dict[str, Tensor]:
        """Logits [B,K,H,W] under ``"student"`` and, where there is one, ``"teacher"``."""
        outputs = {STUDENT: self.student(image_BCHW)}
        if self.teacher is not None:
            outputs[TEACHER] = self.teacher(image_BCHW)
        return outputs


def deployed(*, student: nn.Module, teacher: nn.Module | None, deploy: str) -> nn.Module:
    """The network that `model.pt` is made of.

    Args:
        student, teacher: as of `StudentTeacher`.
        deploy: ``"student"`` or ``"teacher"``.

    Raises:
        ConfigError: for another word, or a teacher that does not exist.
    """
    networks = {STUDENT: student} | ({TEACHER: teacher} if teacher is not None else {})
    check_choice("deploy", deploy, networks)
    return networks[deploy]
