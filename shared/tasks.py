"""The task list: what a multi-task network predicts for one image, as written in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shared.errors import ConfigError

GRADE, MASK, BOX = "grade", "mask", "box"
MISSING_GRADE = -1


class Task(NamedTuple):
    """One task.

    ``kind`` is ``"grade"`` (one class of ``num_classes`` for the whole image), ``"mask"`` (one sigmoid channel) or
    ``"box"`` (four edges).
    """

    name: str
    kind: str
    num_classes: int = 1
    title: str = ""


class TaskList(tuple[Task, ...]):
    """The tasks in the order of the config: axis ``T`` of label masks and gates.

    ``grades``, ``masks`` and ``boxes`` are its parts in the same order: axis ``G`` of ``grades_BG``, axis ``S`` of
    masks.
    """

    @property
    def names(self) -> list[str]:
        return [task.name for task in self]

    @property
    def grades(self) -> list[Task]:
        return [task for task in self if task.kind == GRADE]

    @property
    def masks(self) -> list[Task]:
        return [task for task in self if task.kind == MASK]

    @property
    def boxes(self) -> list[Task]:
        return [task for task in self if task.kind == BOX]

    def index(self, name: Any, *_: Any) -> int:
        """Position of the task called ``name`` on axis ``T``."""
        return self.names.index(name)


def parse_tasks(tasks: Iterable[Mapping[str, Any] | Task]) -> TaskList:
    """Check a task list from JSON.

    Args:
        tasks: mappings with ``name``, ``kind``, for grades ``num_classes``, and optionally ``title``.

    Returns:
        the tasks, in the same order.

    Raises:
        ConfigError: for an item that is none, an empty list, a name used twice or reserved, an unknown kind, or fewer
            than two classes.
    """
    given = list(tasks)
    example = '{"name": "RG", "kind": "grade", "num_classes": 5} or {"name": "MA", "kind": "mask"}'
    for task in given:
        sound = isinstance(task, Mapping) and {"name", "kind"} <= task.keys() <= set(Task._fields)
        if not (sound or isinstance(task, Task)):
            raise ConfigError(
                f"tasks has the item {task!r}",
                expected=f"items such as {example}, with nothing else but `title`",
                fix="correct the key `tasks`",
            )
    parsed = TaskList(Task(**task) if isinstance(task, Mapping) else task for task in given)
    reserved = {"pred", "pred_box", "image", "masks", "grades", "labelled", "geometry", "name"}
    reserved |= {"gate_logits", "gate_weights"}
    problem = ""
    if not parsed:
        problem = "the task list is empty"
    elif len(set(parsed.names)) < len(parsed):
        problem = f"a task name is used twice: {parsed.names}"
    elif reserved & set(parsed.names):
        problem = f"reserved task name: {sorted(reserved & set(parsed.names))}"
    for task in parsed:
        if task.kind not in (GRADE, MASK, BOX):
            problem = f"task {task.name!r} has kind {task.kind!r}"
        elif task.kind == GRADE and task.num_classes < 2:
            problem = f"grade task {task.name!r} has num_classes {task.num_classes}"
    if problem:
        raise ConfigError(problem, expected=f"a list of items such as {example}", fix="correct the key `tasks`")
    return parsed
