"""From a multi-task network's logits to probabilities, one photograph at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from monai.transforms import Transform

from shared.tasks import Task, parse_tasks


class MultiTaskActivationsd(Transform):
    """Unfolds the output dict that the engine keeps under ``pred`` and turns logits into probabilities.

    ``pred`` [S,H,W] becomes sigmoid probabilities, every grade task's [K] softmax probabilities; gates are kept. Boxes
    must have been taken out (`shared.transforms.BoxToPixelsd`): the item's own ``box`` is the truth.

    Args:
        tasks: the task list.
    """

    def __init__(self, *, tasks: Iterable[Mapping[str, Any] | Task]) -> None:
        self.tasks = parse_tasks(tasks)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The same item, unfolded."""
        item = dict(data)
        outputs = item.pop("pred")
        item |= outputs
        if "pred" in outputs:
            item["pred"] = outputs["pred"].sigmoid()
        for task in self.tasks.grades:
            item[task.name] = outputs[task.name].softmax(-1)
        return item
