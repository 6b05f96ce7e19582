"""MixMatch: guessed, sharpened labels, and images mixed with one another.

Source: Berthelot et al., "MixMatch", NeurIPS 2019, algorithm 1, for class maps. What differs: the averaged teacher
makes the guesses (published: the network itself), and the distortions before it are noise, which moves no pixel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from shared.engines.consistency.base import LABELLED, ConsistencyMethod, Loss, Outputs, Passes, ScanBatch
from shared.engines.views import add_noise


class MixMatch(ConsistencyMethod):
    """Consistency: mean squared difference of softmax map and mixed guess, of the mixed unlabelled images; the
    supervised term is that of the mixed labelled images with their mixed labels.

    1. Guess: mean of the teacher's softmax maps of ``guesses`` noisy views, sharpened: ``p^(1/T)``, normalised.
    2. Mix: every image with another of the whole batch, ``l x + (1 - l) x'`` and the labels alike, l from
       Beta(alpha, alpha), at least 1/2.

    Args:
        num_classes: K.
        guesses: views for a guess.
        temperature: T.
        alpha: of the Beta distribution.
        more: of `ConsistencyMethod`; the weight is 10 by default.
    """

    default_weight = 10.0

    def __init__(
        self, *, num_classes: int, guesses: int = 2, temperature: float = 0.5, alpha: float = 0.75, **more: Any
    ) -> None:
        super().__init__(**more)
        self.num_classes, self.guesses, self.temperature, self.alpha = num_classes, guesses, temperature, alpha

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        given = functional.one_hot(batch.label_L1HW[:, 0].long(), self.num_classes).permute(0, 3, 1, 2).float()
        views = [add_noise(batch.unlabelled_UCHW) for _ in range(self.guesses)]
        guess = sharpen(torch.stack([logits.softmax(dim=1) for logits in teacher(*views)]).mean(0), self.temperature)
        images = torch.cat([batch.labelled_LCHW, *views])
        # An empty guess of an empty batch has no shape to repeat.
        labels = torch.cat([given, *[guess] * self.guesses]) if len(views[0]) else given
        share = self.draw_share(len(images), images.device)
        partner = torch.randperm(len(images), device=images.device)
        images, labels = (share * mixed + (1 - share) * mixed[partner] for mixed in (images, labels))
        count = len(given)
        ours, unlabelled = student(images[:count], images[count:])
        return {LABELLED: ours, "label": labels[:count], "unlabelled": unlabelled, "target": labels[count:]}

    def draw_share(self, count: int, device: torch.device) -> Tensor:
        """Shares [count,1,1,1] of the image itself, 1/2 to 1."""
        alpha = torch.tensor(self.alpha, device=device)
        share_N = torch.distributions.Beta(alpha, alpha).sample((count,))
        return torch.maximum(share_N, 1 - share_N).view(-1, 1, 1, 1)

    def supervised(self, outputs: Outputs, label_L1HW: Tensor, loss: Loss) -> Tensor:
        return loss(outputs[LABELLED], outputs["label"])

    def consistency(self, outputs: Outputs) -> Tensor | None:
        if not len(outputs["unlabelled"]):
            return None
        return functional.mse_loss(outputs["unlabelled"].softmax(dim=1), outputs["target"])


def sharpen(probability_BKHW: Tensor, temperature: float) -> Tensor:
    """``p^(1/T) / sum p^(1/T)``."""
    power = probability_BKHW.pow(1 / temperature)
    return power / power.sum(dim=1, keepdim=True)
