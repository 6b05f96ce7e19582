"""Errors as users see them: the root cause, whatever MONAI wraps around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import EyeBundlesError
from shared.workflow.errors import root_cause


@contextmanager
def fails_with(kind: type[EyeBundlesError], text: str) -> Iterator[None]:
    """The block must raise, and the cause shown to the user be of this kind and contain this text."""
    try:
        yield
    except Exception as error:
        cause = root_cause(error)
        assert isinstance(cause, kind), repr(cause)
        assert text in str(cause), str(cause)
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
