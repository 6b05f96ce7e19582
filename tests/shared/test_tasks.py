"""Task lists as written in JSON."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import ConfigError
from shared.tasks import Task, parse_tasks

MASK = {"name": "pet", "kind": "mask"}


def test_mappings_and_tasks_in_their_order() -> None:
    tasks = parse_tasks([MASK, Task("species", "grade", 2), {"name": "box", "kind": "box", "title": "Head"}])
    assert tasks.names == ["pet", "species", "box"]
    assert [[task.name for task in part] for part in (tasks.masks, tasks.grades, tasks.boxes)] == [
        ["pet"], ["species"], ["box"],
    ]  # fmt: skip
    assert parse_tasks(tasks) == tasks


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([], "the task list is empty"),
        ("pet", "the item 'p'"),
        ([{"name": "pet"}], "the item {'name': 'pet'}"),
        ([MASK | {"classes": 2}], "nothing else but `title`"),
        ([MASK, MASK], "used twice"),
        ([MASK | {"name": "pred"}], "reserved task name"),
        ([MASK | {"kind": "masks"}], "kind 'masks'"),
        ([{"name": "species", "kind": "grade"}], "num_classes 1"),
    ],
)
def test_what_is_no_task_list_is_refused(tasks: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_tasks(tasks)
