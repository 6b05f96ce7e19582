"""Metrics of class maps while training: hard Dice pooled over the set, of one network or of several side by side.

Dimensions: B batch, N networks, K classes, H W rows and columns.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from ignite.metrics import Metric, MetricsLambda
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce
from torch import Tensor

from shared.errors import ConfigError, DataError

Figures = dict[str, float]
NETWORKS = ("student", "teacher")


class ClassMapTally(Metric):
    """Pixels of every class in truth, prediction and both, over an epoch of an evaluator, decollated or not.

    The evaluator's ``pred`` holds logits or probabilities [K,H,W] under each network's name (`StudentTeacher`), the
    batch's ``label`` class indices [1,H,W]; images whose ``labelled`` is false do not count. ``compute`` gives, of the
    ``deploy`` network, ``Dice_<class>``, ``Dice_mean`` and ``score`` (the same, which selects the best epoch), and of
    every network ``<network>_Dice_<class>`` and ``<network>_Dice_mean``. Summed over processes.

    Dice is ``2 hits / (truth + prediction)`` over all pixels of the set, class by class, of the most probable class;
    the background has none. A class absent from truth *and* prediction is NaN and left out of the mean; a false alarm
    on an absent class is 0.

    Args:
        classes: names of the classes after the background.
        deploy: the network that `score` speaks of.
        networks: names under ``pred``; a network that the output does not hold is left out.
        device: where the counts are kept.

    Raises:
        ConfigError: ``deploy`` is none of the networks.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        deploy: str = "teacher",
        networks: Sequence[str] = NETWORKS,
        device: str | torch.device = "cpu",
    ) -> None:
        if deploy not in networks:
            raise ConfigError(f"deploy is {deploy!r}", expected=f"one of {', '.join(networks)}", fix="correct `deploy`")
        self.classes, self.deploy, self.networks = list(classes), deploy, list(networks)
        super().__init__(device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        # Hits, truth and prediction of every class; the last number counts images.
        self._counts = torch.zeros(
            len(self.networks) * len(self.classes) * 3 + 1, dtype=torch.float64, device=self._device
        )

    @torch.no_grad()
    def iteration_completed(self, engine: Engine) -> None:
        state: Any = engine.state
        outputs = state.output if isinstance(state.output, list) else [state.output]
        batches = state.batch if isinstance(state.batch, list) else [state.batch]
        for output, batch in zip(outputs, batches, strict=True):
            self.update((output, batch))

    @reinit__is_reduced
    def update(self, output: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
        """Add an image or a batch: the evaluator's output, and the batch it was made of."""
        found, batch = output
        # MONAI's evaluator puts all that `PrepareScanBatch` gives under the output's `label`; the batch has it plain.
        label = torch.as_tensor(batch["label"] if "label" in batch else found["label"])
        label_BHW = label.reshape(-1, *label.shape[-2:])
        labelled_B = torch.as_tensor(batch.get("labelled", True)).flatten().bool().expand(len(label_BHW))
        if not bool(labelled_B.any()):
            return
        truth_BHW = label_BHW[labelled_B.to(label_BHW.device)]
        counts = self._counts[:-1].view(len(self.networks), len(self.classes), 3)
        self._counts[-1] += len(truth_BHW)
        for position, name in enumerate(self.networks):
            if name in found["pred"]:
                scores = torch.as_tensor(found["pred"][name])
                if scores.shape[-3] != len(self.classes) + 1:
                    raise ConfigError(
                        f"the network gives {scores.shape[-3]} classes",
                        expected=f"{len(self.classes) + 1}: background, {', '.join(self.classes)}",
                        fix="make `num_classes` and `classes` agree",
                    )
                chosen_BHW = scores.reshape(-1, *scores.shape[-3:]).argmax(dim=1)[labelled_B.to(scores.device)]
                counts[position] += overlap_of(chosen_BHW, truth_BHW, len(self.classes)).to(counts)

    @sync_all_reduce("_counts")
    def compute(self) -> Figures:
        if not self._counts[-1]:
            raise DataError(
                "no validation image has a label, so no model can be selected",
                expected="at least one labelled validation image",
                fix="raise `validation_fraction`, or check the data folder",
            )
        counts = self._counts[:-1].view(len(self.networks), len(self.classes), 3).cpu()
        hits, truth, predicted = counts.unbind(dim=2)
        dice = (2 * hits / (truth + predicted)).tolist()
        figures: Figures = {}
        for name, values in zip(self.networks, dice, strict=True):
            own = {f"Dice_{title}": value for title, value in zip(self.classes, values, strict=True)}
            own["Dice_mean"] = float(torch.tensor(values, dtype=torch.float64).nanmean())
            figures |= {f"{name}_{key}": value for key, value in own.items()}
            if name == self.deploy:
                figures |= own | {"score": own["Dice_mean"]}
        return figures

    def names(self) -> list[str]:
        """Names that ``compute`` gives, ``score`` first (the first one is a MONAI engine's key metric)."""
        own = [*(f"Dice_{title}" for title in self.classes), "Dice_mean"]
        return ["score", *own, *(f"{name}_{key}" for name in self.networks for key in own)]


def overlap_of(chosen_BHW: Tensor, truth_BHW: Tensor, num_classes: int) -> Tensor:
    """[K-1,3] pixels of each class after the background: in both, in truth, in prediction."""
    truth, chosen = truth_BHW.flatten().long(), chosen_BHW.flatten().to(truth_BHW.device)
    size = num_classes + 1
    confusion = torch.bincount(truth * size + chosen, minlength=size * size).view(size, size)
    return torch.stack([confusion.diagonal(), confusion.sum(1), confusion.sum(0)], dim=1)[1:]


def class_map_metrics(
    classes: Sequence[str],
    *,
    deploy: str = "teacher",
    networks: Sequence[str] = NETWORKS,
    device: str | torch.device = "cpu",
) -> dict[str, Metric]:
    """Metrics by name for ``key_val_metric`` of MONAI's evaluator, ``score`` first; all read one `ClassMapTally`."""
    tally = ClassMapTally(classes, deploy=deploy, networks=networks, device=device)
    return {name: MetricsLambda(functools.partial(_figure, name=name), tally) for name in tally.names()}


def _figure(figures: Figures, *, name: str) -> float:
    return figures[name]
