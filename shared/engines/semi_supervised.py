"""One trainer for all semi-supervised methods: a `SupervisedTrainer`, so what works with MONAI's works with it.

Dimensions: B batch, L labelled and U unlabelled images, C channels, K classes, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys
from torch import Tensor, nn

from shared.engines.consistency import ConsistencyMethod, Passes, ScanBatch
from shared.engines.consistency.base import LABELLED, Outputs
from shared.engines.ema import update_average
from shared.engines.passes import TOGETHER, NetworkPasses, check_passes
from shared.engines.prepare import PrepareScanBatch
from shared.errors import ConfigError, TrainingError
from shared.ranks import mean_over_ranks


class SemiSupervisedLoss(nn.Module):
    """Supervised term plus weighted consistency term; of several ranks, which hold equally many images, their means.

    Args:
        supervised: called with ``(logits_LKHW, label_L1HW)``; 0-d.
        method: see `shared.engines.consistency`.

    Attributes:
        last_terms: ``"supervised"``, ``"consistency"`` (unweighted; absent where nothing was compared) and ``"total"``
            of the last call, detached.
    """

    def __init__(self, supervised: Callable[[Tensor, Tensor], Tensor], *, method: ConsistencyMethod) -> None:
        super().__init__()
        self.supervised, self.method = supervised, method
        self.last_terms: dict[str, Tensor] = {}

    def forward(self, outputs: Outputs, label_L1HW: Tensor, *, epoch: float = 0.0) -> Tensor:
        """Total, 0-d; ``epoch`` counts the epochs done, fractions included."""
        terms = {"supervised": mean_over_ranks(self.method.supervised(outputs, label_L1HW, self.supervised))}
        total = terms["supervised"]
        consistency = self.method.consistency(outputs)
        if consistency is not None:
            terms["consistency"] = mean_over_ranks(consistency)
            total = total + self.method.weight(epoch) * terms["consistency"]
        self.last_terms = {name: term.detach() for name, term in terms.items()} | {"total": total.detach()}
        return total


class SemiSupervisedTrainer(SupervisedTrainer):
    """Trains a student on labelled and unlabelled images, and its teacher.

    One step:

    1. the method draws its views and sends them through the student, and the teacher's through the teacher (in
       evaluation mode, without gradients, unless the method trains it);
    2. loss = supervised term + ramped weight x consistency term;
    3. backward pass and optimiser step, of the student (and of a peer, whose parameters the optimiser must have);
    4. the teacher moves towards the student, parameters and buffers.

    Weight and decay are functions of the iteration alone, so that a resumed run repeats them; random views come from
    torch's global generator.

    Args:
        network: the student.
        teacher: see `shared.engines.start_teacher`; None only for methods that need none.
        method: see `shared.engines.consistency.make_method`.
        loss_function: supervised; see `SemiSupervisedLoss`, which replaces it as attribute.
        passes: ``"together"`` or ``"apart"``; see `NetworkPasses`.
        more: of `SupervisedTrainer`; ``amp`` is for a gradient scaler only (see `shared.inferers.needs_scaler`), the
            precision is the inferer's.

    Raises:
        ConfigError: an unknown way of passing, a teacher that takes gradients where it is averaged, or a peer that is
            not in the optimiser.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        teacher: nn.Module | None,
        method: ConsistencyMethod,
        loss_function: Callable[[Tensor, Tensor], Tensor],
        optimizer: torch.optim.Optimizer,
        passes: str = TOGETHER,
        prepare_batch: Callable[..., Any] | None = None,
        decollate: bool = False,
        **more: Any,
    ) -> None:
        self.teacher, self.method, self.passes = teacher, method, check_passes(passes)
        check_teacher(teacher, method=method, optimizer=optimizer)
        super().__init__(
            network=network,
            optimizer=optimizer,
            loss_function=SemiSupervisedLoss(loss_function, method=method),
            prepare_batch=prepare_batch or PrepareScanBatch(),
            decollate=decollate,
            **more,
        )

    def _iteration(self, engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
        """One step; ``image``, ``label``, ``pred`` of the output are those of the labelled images."""
        batch = self._prepare(batchdata)
        engine.state.output = {CommonKeys.IMAGE: batch.labelled_LCHW, CommonKeys.LABEL: batch.label_L1HW}
        done, length = engine.state.iteration - 1, engine.state.epoch_length
        place, count = done % length, self.accumulation_steps
        epoch = done / length
        self.network.train()
        if self.teacher is not None:
            self.teacher.train(self.method.trains_teacher)
        if place % count == 0:
            self.optimizer.zero_grad(set_to_none=self.optim_set_to_none)
        outputs = self.method.predict(batch, student=self._passes(self.network, True), teacher=self._teacher_passes())
        engine.state.output[CommonKeys.PRED] = outputs[LABELLED]
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        loss = self.loss_function(outputs, batch.label_L1HW, epoch=epoch)
        engine.state.output[CommonKeys.LOSS] = loss
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        scaler = self.scaler if self.amp else None
        (scaler.scale(loss / count) if scaler is not None else loss / count).backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        if (place + 1) % count == 0 or place + 1 == length:
            self._step(scaler, update=done // length * -(-length // count) + place // count, epoch=epoch)
        engine.state.output[CommonKeys.LOSS] = loss.detach()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _prepare(self, batchdata: Mapping[str, Any]) -> ScanBatch:
        image, labels, _, _ = self.prepare_batch(batchdata, self.state.device, self.non_blocking, **self.to_kwargs)
        labelled_B = labels["labelled"]
        if not bool(labelled_B.any()):
            raise TrainingError(
                f"a batch of {len(image)} images without a labelled one",
                expected="at least one labelled image in every batch",
                fix="give a batch_size of 1 or more (labelled images for each step)",
            )
        return ScanBatch(image[labelled_B], labels["label"][labelled_B], image[~labelled_B])

    def _passes(self, network: nn.Module, gradients: bool) -> NetworkPasses:
        return NetworkPasses(network, inferer=self.inferer, passes=self.passes, gradients=gradients)

    def _teacher_passes(self) -> Passes:
        return no_teacher if self.teacher is None else self._passes(self.teacher, self.method.trains_teacher)

    def _step(self, scaler: Any, *, update: int, epoch: float) -> None:
        if scaler is not None:
            scaler.step(self.optimizer)
            scaler.update()
        else:
            self.optimizer.step()
        if self.teacher is not None and not self.method.trains_teacher:
            update_average(self.teacher, self.network, decay=self.method.decay(update, epoch))


def no_teacher(*views_BCHW: Tensor, perturbed: int | None = None) -> list[Tensor]:
    """Passes through a teacher that does not exist: `ConfigError`."""
    raise ConfigError(
        "no teacher was given, and the method asks it",
        expected="a second network",
        fix="build it with shared.engines.start_teacher",
    )


def check_teacher(teacher: nn.Module | None, *, method: ConsistencyMethod, optimizer: torch.optim.Optimizer) -> None:
    """Raise `ConfigError` unless the teacher takes gradients exactly if the method trains it."""
    if teacher is None and not method.trains_teacher:
        return
    optimised = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    own = [] if teacher is None else list(teacher.parameters())
    wanted = all(id(parameter) in optimised and parameter.requires_grad for parameter in own) and bool(own)
    unwanted = any(id(parameter) in optimised or parameter.requires_grad for parameter in own)
    if wanted if method.trains_teacher else not unwanted:
        return
    kind = type(method).__name__
    raise ConfigError(
        f"a teacher that {'is not' if method.trains_teacher else 'is'} trained by gradients, for {kind}",
        expected="a peer in the optimiser" if method.trains_teacher else "an average without gradients",
        fix="build it with shared.engines.start_teacher, and the optimiser with shared.engines.trained_parameters",
    )
