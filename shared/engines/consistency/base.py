"""What a semi-supervised method has to say: which views pass through which network, and how they should agree.

Dimensions: L labelled and U unlabelled images, C channels, K classes, H W rows and columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from shared.engines.ema import ema_decay
from shared.engines.ramp import ramp
from shared.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
Outputs = dict[str, Tensor]
LABELLED = "labelled"


class ScanBatch(NamedTuple):
    """Images in 0..1 with class indices, and images without; L or U may be 0."""

    labelled_LCHW: Tensor
    label_L1HW: Tensor
    unlabelled_UCHW: Tensor


class Passes(Protocol):
    """Sends views through a network, together or apart as the engine is told; one result for each view."""

    def __call__(self, *views_BCHW: Tensor, perturbed: int | None = None) -> list[Tensor]:
        """Logits [B,K,H,W], float32; with ``perturbed``, that view's second decoding is appended (see
        `shared.networks.SegmentationUNet`). A view without images gives an empty tensor."""


class ConsistencyMethod(ABC):
    """A semi-supervised method; `shared.engines.SemiSupervisedTrainer` runs it.

    Args:
        consistency_weight: of the consistency term after the ramp; None takes the method's ``default_weight``.
        rampup_epochs: over which the weight grows; see `shared.engines.ramp`.
        ema_decay: of the teacher after the ramp.

    Attributes:
        trains_teacher: whether the second network is a peer that is trained by gradients, instead of an average.

    Raises:
        ConfigError: a negative weight or ramp, or a decay outside 0..1.
    """

    default_weight = 1.0
    trains_teacher = False

    def __init__(
        self, *, consistency_weight: float | None = None, rampup_epochs: float = 5, ema_decay: float = 0.999
    ) -> None:
        self.consistency_weight = self.default_weight if consistency_weight is None else float(consistency_weight)
        self.rampup_epochs, self.ema_decay = float(rampup_epochs), float(ema_decay)
        if self.consistency_weight < 0 or self.rampup_epochs < 0 or not 0 <= self.ema_decay <= 1:
            raise ConfigError(
                f"consistency_weight {consistency_weight}, rampup_epochs {rampup_epochs}, ema_decay {ema_decay}",
                expected="a weight and a ramp of 0 or more, a decay in 0..1",
                fix="correct these keys",
            )

    @abstractmethod
    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        """Logits of the labelled images as ``"labelled"`` [L,K,H,W], and whatever `consistency` needs.

        Args:
            batch: U may be 0.
            student: with gradients; call it before any pass of the student without.
            teacher: without gradients, in evaluation mode, unless ``trains_teacher``.
        """

    @abstractmethod
    def consistency(self, outputs: Outputs) -> Tensor | None:
        """The unweighted consistency term, 0-d; None where the batch has nothing to compare."""

    def supervised(self, outputs: Outputs, label_L1HW: Tensor, loss: Loss) -> Tensor:
        """The supervised term, 0-d."""
        return loss(outputs[LABELLED], label_L1HW)

    def weight(self, epoch: float) -> float:
        """The consistency weight after so many epochs, fractions included."""
        return self.consistency_weight * ramp(epoch, rampup_epochs=self.rampup_epochs)

    def decay(self, step: int, epoch: float) -> float:
        """The teacher's decay at its update number ``step`` (from 0)."""
        return ema_decay(step, ramping=epoch < self.rampup_epochs, decay=self.ema_decay)


def pseudo_label_loss(logits_UKHW: Tensor, target_UKHW: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Cross entropy with the most probable class of the target where its probability is at least ``threshold``.

    Args:
        logits_UKHW: of the view that learns.
        target_UKHW: probabilities, taken as they are, without gradient.

    Returns:
        the mean over *all* pixels, also those left out: so little confidence means a small term.
    """
    confidence_UHW, label_UHW = target_UKHW.detach().max(dim=1)
    loss_UHW = torch.nn.functional.cross_entropy(logits_UKHW, label_UHW, reduction="none")
    return (loss_UHW * (confidence_UHW >= threshold)).mean()
