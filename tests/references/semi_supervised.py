"""Semi-supervised steps the slow, obvious way: one network at a time, one view at a time, formulas written out."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from shared.engines.views import CutMix, strengthen


def noisy(images: Tensor) -> Tensor:
    return images + 0.1 * torch.randn(images.shape)


def probabilities(logits: Tensor) -> Tensor:
    exponentials = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def confident_cross_entropy(logits: Tensor, target: Tensor, threshold: float) -> Tensor:
    """Pixel by pixel."""
    log_p = probabilities(logits).log()
    images, _, rows, columns = logits.shape
    total = torch.zeros(())
    for b in range(images):
        for y in range(rows):
            for x in range(columns):
                confidence, label = target[b, :, y, x].max(dim=0)
                if confidence >= threshold:
                    total = total - log_p[b, label, y, x]
    return total / (images * rows * columns)


class Twin:
    """A run of a method, step by step; the teacher's update is the closed loop over names.

    Args:
        student: copied; so is the teacher, from it, or the peer that is given.
        method: the word.
        loss: supervised.
        epoch_length, rampup_epochs, weight, decay: of the schedule.
        threshold: of pseudo labels.
    """

    def __init__(
        self,
        *,
        student: nn.Module,
        peer: nn.Module | None,
        method: str,
        loss: Any,
        epoch_length: int,
        rampup_epochs: float,
        weight: float,
        decay: float,
        threshold: float,
    ) -> None:
        self.student, self.method, self.loss, self.threshold = copy.deepcopy(student), method, loss, threshold
        self.teacher = copy.deepcopy(student if peer is None else peer)
        self.epoch_length, self.rampup_epochs, self.weight, self.decay = epoch_length, rampup_epochs, weight, decay
        parameters = [*self.student.parameters(), *([] if peer is None else self.teacher.parameters())]
        self.optimizer = torch.optim.SGD(parameters, lr=0.1)
        self.step_number = 0

    def step(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> float:
        epoch = self.step_number / self.epoch_length
        ramping = epoch < self.rampup_epochs
        t = min(epoch / self.rampup_epochs, 1.0) if self.rampup_epochs else 1.0
        self.student.train()
        self.teacher.train(self.method == "cross_pseudo")
        supervised, consistency = getattr(self, self.method)(labelled, label, unlabelled)
        total = supervised + self.weight * math.exp(-5 * (1 - t) * (1 - t)) * consistency
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        if self.method != "cross_pseudo":
            decay = min(1 - 1 / (self.step_number + 1), 0.99) if ramping else self.decay
            new = self.student.state_dict()
            for name, old in self.teacher.state_dict().items():
                mixed = decay * old + (1 - decay) * new[name] if old.is_floating_point() else new[name]
                old.copy_(mixed)
        self.step_number += 1
        return float(total)

    def mean_teacher(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        ours, theirs = noisy(unlabelled), noisy(unlabelled)
        supervised = self.loss(self.student(labelled), label)
        found = probabilities(self.student(ours))
        with torch.no_grad():
            target = probabilities(self.teacher(theirs))
        return supervised, ((found - target) ** 2).mean()

    def supervised(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        return self.loss(self.student(labelled), label), torch.zeros(())

    def fixmatch(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        mix = CutMix.draw(unlabelled)
        strong = mix.apply(strengthen(unlabelled))
        supervised = self.loss(self.student(labelled), label)
        target = probabilities(self.student(unlabelled)).detach()
        found = self.student(strong)
        return supervised, confident_cross_entropy(found, self.mixed(target, mix), self.threshold)

    def unimatch(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        mixes = [CutMix.draw(unlabelled), CutMix.draw(unlabelled)]
        strong = [mix.apply(strengthen(unlabelled)) for mix in mixes]
        supervised = self.loss(self.student(labelled), label)
        count = len(unlabelled)
        both = self.student(unlabelled, torch.arange(count))
        target = probabilities(both[:count]).detach()
        terms = [
            confident_cross_entropy(self.student(view), self.mixed(target, mix), self.threshold)
            for view, mix in zip(strong, mixes, strict=True)
        ]
        features = confident_cross_entropy(both[count:], target, self.threshold)
        return supervised, terms[0] / 4 + terms[1] / 4 + features / 2

    def cross_pseudo(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        ours = [self.student(labelled), self.student(unlabelled)]
        theirs = [self.teacher(labelled), self.teacher(unlabelled)]
        supervised = self.loss(ours[0], label) + self.loss(theirs[0], label)
        first, second = torch.cat(ours), torch.cat(theirs)
        mine = confident_cross_entropy(first, second.detach(), -math.inf)
        return supervised, mine + confident_cross_entropy(second, first.detach(), -math.inf)

    def mixmatch(self, labelled: Tensor, label: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        views = [noisy(unlabelled), noisy(unlabelled)]
        with torch.no_grad():
            guess = sum(probabilities(self.teacher(view)) for view in views) / 2
        guess = guess**2 / (guess**2).sum(dim=1, keepdim=True)
        given = torch.zeros(len(labelled), guess.shape[1], *label.shape[2:]).scatter(1, label.long(), 1.0)
        images, labels = torch.cat([labelled, *views]), torch.cat([given, guess, guess])
        shares = torch.distributions.Beta(torch.tensor(0.75), torch.tensor(0.75)).sample((len(images),))
        order = torch.randperm(len(images))
        new_images, new_labels = [], []
        for b, share in enumerate(shares.tolist()):
            share = max(share, 1 - share)
            new_images.append(share * images[b] + (1 - share) * images[order[b]])
            new_labels.append(share * labels[b] + (1 - share) * labels[order[b]])
        mixed, target = torch.stack(new_images), torch.stack(new_labels)
        count = len(labelled)
        supervised = self.loss(self.student(mixed[:count]), target[:count])
        return supervised, ((probabilities(self.student(mixed[count:])) - target[count:]) ** 2).mean()

    @staticmethod
    def mixed(target: Tensor, mix: CutMix) -> Tensor:
        """Each pixel of the image itself or of the one before it."""
        out = target.clone()
        for b in range(len(target)):
            for y, x in mix.inside_B1HW[b, 0].nonzero().tolist():
                out[b, :, y, x] = target[b - 1, :, y, x]
        return out
