"""A supervised trainer whose step may be made of every task's own gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils import CommonKeys
from torch import Tensor, nn

from shared.losses.gradient_weighting import backward_by_task


class MultiTaskTrainer(SupervisedTrainer):
    """MONAI's trainer; with an ``aggregator``, `shared.losses.gradient_weighting.backward_by_task` in place of
    ``loss.backward()``.

    Args:
        aggregator: a matrix of gradients [T,P] -> the gradient [P] to step along; None: MONAI's trainer as it is.
        more: of `SupervisedTrainer`. With an aggregator, the network has ``shared_parameters()`` and the loss
            ``by_task(outputs, labels)``; of several ranks, the same tasks' losses on each, of their common batch.
    """

    def __init__(self, *, aggregator: Callable[[Tensor], Tensor] | None = None, **more: Any) -> None:
        network: nn.Module = more["network"]
        if aggregator is not None and isinstance(network, nn.parallel.DistributedDataParallel):
            # It has made the ranks' weights equal; its gradients would be those of the sum of losses.
            more["network"] = network.module
        self.aggregator = aggregator
        super().__init__(**more)

    def _iteration(self, engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
        if self.aggregator is None:
            return super()._iteration(engine, batchdata)  # type: ignore[arg-type]
        image, labels = self.prepare_batch(batchdata, engine.state.device, self.non_blocking, **self.to_kwargs)
        engine.state.output = {CommonKeys.IMAGE: image, CommonKeys.LABEL: labels}
        self.network.train()
        done, length = engine.state.iteration - 1, engine.state.epoch_length
        place, count = done % length, self.accumulation_steps
        if place % count == 0:
            self.optimizer.zero_grad(set_to_none=self.optim_set_to_none)
        outputs = self.inferer(image, self.network)
        engine.state.output[CommonKeys.PRED] = outputs
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        losses = self.loss_function.by_task(outputs, labels)  # type: ignore[attr-defined]
        engine.state.output[CommonKeys.LOSS] = self.loss_function.last_terms["total"]  # type: ignore[attr-defined]
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        scaler = self.scaler if self.amp else None
        if losses:
            scaled = {name: (scaler.scale(loss) if scaler else loss) / count for name, loss in losses.items()}
            self._backward(scaled)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        moved = any(parameter.grad is not None for parameter in self.network.parameters())
        if moved and ((place + 1) % count == 0 or place + 1 == length):
            if scaler is not None:
                scaler.step(self.optimizer)
                scaler.update()
            else:
                self.optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _backward(self, losses: Mapping[str, Tensor]) -> None:
        assert self.aggregator is not None
        shared = self.network.shared_parameters()  # type: ignore[operator]
        known = {id(parameter) for parameter in shared}
        own = [parameter for parameter in self.network.parameters() if id(parameter) not in known]
        backward_by_task(losses, shared=shared, own=own, aggregator=self.aggregator)
