"""Semi-supervised work: one mean-teacher step, by our trainer or by the published step written plainly.

Dimensions: L labelled and U unlabelled B-scans, K classes, H W rows and columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from monai.inferers import SimpleInferer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.work import to_array
from shared.engines import SemiSupervisedTrainer, make_method, start_teacher
from shared.inferers import AutocastInferer
from shared.losses import SegmentationLoss
from shared.networks import SegmentationUNet
from shared.workflow.memory import keep_freed_memory

CLASSES, WEIGHT, NOISE, DECAY = 4, 10.0, 0.01, 0.999
AFTER_RAMP = 1000


class SemiSupervisedWork:
    """One step of a mean teacher on U unlabelled and L labelled B-scans, after the ramps.

    Both designs have the same network (`SegmentationUNet`), weights, data, loss (Dice and focal, 1:1), consistency
    (mean squared error of softmax maps, weight 10, noise of variance .01) and optimiser (Adam 1e-4, decay 2e-4).

    Args:
        design: ``"ours"``: `SemiSupervisedTrainer`, channels-last, reduced precision, one joint pass, teacher without
            gradients in evaluation mode, fused Adam, freed memory kept; ``"reference"``: float32, rows first, labelled
            and unlabelled apart, teacher in training mode.
        backbone: of `SegmentationUNet`.
        size: (height, width).
        labelled, unlabelled: L and U.
        amp: reduced precision where the device has it (ours only).
        passes: of ours.
        teacher_gradients: whether the reference's teacher is differentiated (published).
        device, seed: where, and of weights and data.
    """

    def __init__(
        self,
        *,
        design: str,
        backbone: str,
        size: tuple[int, int],
        labelled: int = 1,
        unlabelled: int = 5,
        amp: bool = True,
        passes: str = "together",
        teacher_gradients: bool = True,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.design, self.amp, self.seed = design, amp, seed
        if design == "ours":
            keep_freed_memory()
        torch.manual_seed(seed)
        student = SegmentationUNet(backbone=backbone, num_classes=CLASSES)
        generator = torch.Generator().manual_seed(seed)
        total = labelled + unlabelled
        self.batch: dict[str, Any] = {
            "image": torch.rand(total, 1, *size, generator=generator),
            "label": torch.randint(0, CLASSES, (total, 1, *size), generator=generator).to(torch.uint8),
            "labelled": torch.arange(total) < labelled,
        }
        take_statistics(student, self.batch["image"])
        student.to(device)
        if design == "ours":
            student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        method = make_method("mean_teacher", num_classes=CLASSES, ema_decay=DECAY)
        self.student = student
        self.teacher = start_teacher(network=student, method=method)
        with torch.no_grad():
            for parameter in self.teacher.parameters():
                # Not randn_like, whose order is that of the memory.
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape).to(device))
        self.teacher.requires_grad_(design == "reference" and teacher_gradients)
        self.optimizer = torch.optim.Adam(student.parameters(), lr=1e-4, weight_decay=2e-4, fused=design == "ours")
        self.data = f"{unlabelled} + {labelled} B-scans {size[1]}x{size[0]}, {backbone}"
        self.loss, self.device = SegmentationLoss(num_classes=CLASSES).to(device), device
        self.terms: dict[str, Tensor] = {}
        if design == "ours":
            self.trainer = SemiSupervisedTrainer(
                device=device,
                max_epochs=1,
                train_data_loader=[self.batch],
                network=student,
                teacher=self.teacher,
                method=method,
                loss_function=self.loss,
                optimizer=self.optimizer,
                passes=passes,
                optim_set_to_none=True,
            )
            # It is asked for single steps, as its own loop would ask.
            self.trainer.state.epoch_length, self.trainer.state.iteration = 1, AFTER_RAMP

    def once(self) -> None:
        if self.design == "ours":
            self.step_of_ours(amp=self.amp)
        else:
            self.step_of_reference()

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        """Loss terms, and gradients of the student's first layer, decoder and head, through which the others pass; with
        BatchNorm frozen, as only then the designs are equal by construction (joint statistics, teacher's mode).

        Exact is float64: in float32, rounding turns enough ReLUs of a deep network on noise to move gradients by 2e-3.
        """
        image = self.batch["image"]
        if exact:
            self.student.double()
            self.teacher.double()
            self.batch["image"] = image.double()
        state = [{name: value.clone() for name, value in n.state_dict().items()} for n in (self.student, self.teacher)]
        torch.manual_seed(self.seed + 1)
        with frozen(self.student), frozen(self.teacher):
            if self.design == "ours":
                self.step_of_ours(amp=self.amp and not exact)
            else:
                self.step_of_reference()
        found = {f"step loss {name}": to_array(term) for name, term in self.terms.items()}
        for name, parameter in self.student.named_parameters():
            if not name.startswith(("encoder.layer", "encoder.features")) and parameter.grad is not None:
                found[f"step gradient {name}"] = to_array(parameter.grad)
        self.optimizer.zero_grad()
        self.batch["image"] = image
        for network, kept in zip((self.student, self.teacher), state, strict=True):
            network.float().load_state_dict(kept)
        self.optimizer.state.clear()
        return found

    def facts(self) -> dict[str, Any]:
        self.once()
        return {"data": self.data}

    def step_of_ours(self, *, amp: bool) -> None:
        self.trainer.inferer = AutocastInferer(amp=amp) if amp else SimpleInferer()
        self.trainer._iteration(self.trainer, self.batch)
        self.terms = dict(self.trainer.loss_function.last_terms)  # type: ignore[attr-defined]

    def step_of_reference(self) -> None:
        self.student.train()
        self.teacher.train()
        self.optimizer.zero_grad()
        image, label = self.batch["image"].to(self.device), self.batch["label"].to(self.device)
        labelled = self.batch["labelled"]
        unlabelled = image[~labelled]
        ours, theirs = (unlabelled + math.sqrt(NOISE) * torch.randn_like(unlabelled) for _ in range(2))
        supervised = self.loss(self.student(image[labelled]), label[labelled])
        found = functional.softmax(self.student(ours), dim=1)
        consistency = mean_squared(found, functional.softmax(self.teacher(theirs), dim=1))
        total = supervised + WEIGHT * consistency
        total.backward()
        self.optimizer.step()
        with torch.no_grad():
            for average, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                average.mul_(DECAY).add_(new, alpha=1 - DECAY)
        self.teacher.zero_grad()
        terms = {"supervised": supervised, "consistency": consistency, "total": total}
        self.terms = {name: term.detach() for name, term in terms.items()}


def mean_squared(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference, differentiated on both sides where they are."""
    return (one - other).square().mean()


@torch.no_grad()
def take_statistics(network: nn.Module, image_BCHW: Tensor) -> None:
    """BatchNorm's running statistics as those of a batch, so that a frozen network is a lively one."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(image_BCHW)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def keep(module: nn.Module, mode: bool = True) -> nn.Module:
    """In place of a module's `train`: changes nothing."""
    return module


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """BatchNorm uses its running statistics while it lasts, whatever mode the network is put into."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.eval()
        norm.train = functools.partial(keep, norm)  # type: ignore[method-assign, assignment]
    yield
    for norm in norms:
        del norm.train
