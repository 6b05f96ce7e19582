"""Transforms for photographs with masks only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from monai.transforms import Compose

from shared.tasks import Task, parse_tasks


class ForMasksOnlyd(Compose):
    """Applies transforms to a photograph that is labelled for some mask task, and leaves others as they are.

    Args:
        tasks: the task list.
        transforms: what to apply.
    """

    def __init__(self, *, tasks: Iterable[Mapping[str, Any] | Task], transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__(list(transforms))
        task_list = parse_tasks(tasks)
        self.positions = [task_list.index(task.name) for task in task_list.masks]

    def __call__(
        self, input_: Any, start: int = 0, end: int | None = None, threading: bool = False, lazy: bool | None = None
    ) -> Any:
        """The same item, transformed if ``labelled`` [T] says so."""
        if not any(input_["labelled"][t] for t in self.positions):
            return input_
        return super().__call__(input_, start=start, end=end, threading=threading, lazy=lazy)
