"""Two end-to-end tests at a time: those of one file one after the other, quickstarts and packages as they come."""

from __future__ import annotations

from pathlib import Path

import pytest

SPREAD = ("test_quickstart", "test_package")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start one server for all their tests keep them together; the longest tests start first."""
    for item in items:
        file = Path(item.path).stem
        if item.path.parent == Path(__file__).parent and file not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(file))
    items.sort(key=lambda item: Path(item.path).stem != "test_quickstart")
