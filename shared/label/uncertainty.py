"""How uncertain a network is about an image: the entropy of what it says, and how far its experts disagree.

Dimensions: B batch, T tasks, E experts, K classes, H W rows and columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from shared.networks.modes import evaluating
from shared.networks.multitask import MultiTaskNetwork
from shared.report.files import write_json
from shared.tasks import Task, TaskList, parse_tasks

ENTROPY, DISAGREEMENT = "entropy", "disagreement"
# A gate's logit that leaves the other experts nothing.
ALONE = 1e4


class RecordUncertainty:
    """Writes how uncertain a network is about what an evaluation reads; an image's B-scans are averaged.

    ``entropy``: of every output (the masks together, or the classes of a pixel; each grade) the mean entropy over
    pixels as a share of the largest possible, 0..1; then the mean over outputs. ``disagreement``, of networks whose
    gates choose among experts: see `expert_disagreement`. Boxes have no probabilities and do not count.

    Args:
        path: JSON file.
        network: the evaluator's.
        tasks: the task list; without one ``pred`` holds probabilities of classes that exclude each other.
    """

    def __init__(
        self, *, path: str | Path, network: nn.Module, tasks: Iterable[Mapping[str, Any] | Task] | None = None
    ) -> None:
        self.path, self.network = Path(path), network
        self.tasks = None if tasks is None else parse_tasks(tasks)
        self.values: dict[str, list[float]] = {}

    def attach(self, engine: Engine) -> None:
        """Follow a MONAI evaluator that decollates its batch."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def start(self, engine: Engine) -> None:
        """Forget what was collected."""
        self.values = {}

    def collect(self, engine: Engine) -> None:
        """Take in the engine's present batch."""
        state: Any = engine.state
        for output, item in zip(state.output, state.batch, strict=True):
            self.values.setdefault(ENTROPY, []).append(output_entropy(output, self.tasks))
            if isinstance(self.network, MultiTaskNetwork) and self.tasks is not None:
                device = next(self.network.parameters()).device
                image_13HW = torch.as_tensor(item["image"]).as_subclass(Tensor)[None].to(device)
                found = expert_disagreement(self.network, image_13HW, self.tasks)
                self.values.setdefault(DISAGREEMENT, []).append(found)

    def finish(self, engine: Engine) -> None:
        """Write the means."""
        write_json(self.path, {name: sum(values) / len(values) for name, values in self.values.items()})


def output_entropy(output: Mapping[str, Any], tasks: TaskList | None) -> float:
    """The mean over outputs of their entropies, each 0..1.

    Args:
        output: ``pred``, probabilities [K,H,W] (or several by name), and [K] by grade task.
        tasks: None where the K of ``pred`` exclude each other; else each is a mask for itself.
    """
    found: list[Tensor] = []
    if tasks is None:
        given = output["pred"]
        for maps_KHW in given.values() if isinstance(given, Mapping) else [given]:
            found.append(entropy(_plain(maps_KHW)).mean() / math.log(len(maps_KHW)))
        return float(torch.stack(found).mean())
    if tasks.masks:
        maps_SHW = _plain(output["pred"])
        found.append(entropy(torch.stack([maps_SHW, 1 - maps_SHW])).mean() / math.log(2))
    for task in tasks.grades:
        found.append(entropy(_plain(output[task.name])) / math.log(task.num_classes))
    return float(torch.stack(found).mean())


@torch.no_grad()
def expert_disagreement(network: MultiTaskNetwork, image_13HW: Tensor, tasks: TaskList) -> float:
    """Jensen-Shannon divergence of what each expert alone would say: mean over pixels, then over tasks, 0..1.

    For every task each of the E experts answers in turn, as if the gate had chosen it. The divergence is the entropy of
    their mean less the mean of their entropies, as a share of the largest possible, log(min(E, K)): 0 where all say the
    same, however uncertain that is. With one expert it is 0.
    """
    experts = network.num_experts
    if experts < 2:
        return 0.0
    answers: list[dict[str, Tensor]] = []
    for expert in range(experts):
        logits_1TE = torch.full([1, len(network.names), experts], -ALONE, device=image_13HW.device)
        logits_1TE[:, :, expert] = ALONE
        # MONAI's evaluators leave the network in training mode between batches.
        with evaluating(network):
            given = network(image_13HW, None, logits_1TE)
        answer = {task.name: given[task.name][0].float().softmax(0) for task in tasks.grades}
        if tasks.masks:
            maps_SHW = given["pred"][0].float().sigmoid()
            answer |= {
                task.name: torch.stack([map_, 1 - map_]) for task, map_ in zip(tasks.masks, maps_SHW, strict=True)
            }
        answers.append(answer)
    found = []
    for name, first in answers[0].items():
        each_EK = torch.stack([answer[name] for answer in answers])
        divergence = entropy(each_EK.mean(0)) - entropy(each_EK.transpose(0, 1)).mean(0)
        found.append(divergence.mean() / math.log(min(experts, len(first))))
    return float(torch.stack(found).mean())


def entropy(probabilities_K: Tensor) -> Tensor:
    """In nats, over the first axis of [K, ...]."""
    return torch.special.entr(probabilities_K).sum(0)


def _plain(values: Any) -> Tensor:
    return torch.as_tensor(values).as_subclass(Tensor).float()
