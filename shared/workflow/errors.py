"""Shows the cause last, whatever MONAI wraps around an exception."""

from __future__ import annotations

import sys
from types import TracebackType

from shared.errors import EyeBundlesError


def root_cause(error: BaseException) -> BaseException:
    """The exception at the start of a chain of `raise ... from ...`; the first of our own errors if there is one."""
    chain = [error]
    while (previous := chain[-1].__cause__ or chain[-1].__context__) is not None and previous not in chain:
        chain.append(previous)
    ours = [item for item in chain if isinstance(item, EyeBundlesError)]
    return ours[-1] if ours else chain[-1]


def print_cause_last(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: for our own errors the message alone, for others the traceback, then the root cause."""
    cause = root_cause(error)
    if not isinstance(cause, EyeBundlesError):
        sys.__excepthook__(kind, error, trace)
    print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr, flush=True)


def install_excepthook() -> None:
    """Let uncaught exceptions end with the line the user needs; an interactive debugger's own hook is kept."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = print_cause_last
