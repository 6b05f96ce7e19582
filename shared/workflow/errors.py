"""Shows the cause last, whatever MONAI wraps around an exception."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from shared.errors import EyeBundlesError

IN_TRACEBACK = re.compile(
    r"^shared\.errors\.(?P<kind>\w+): (?P<received>.*?)\n  expected: (?P<expected>.*?)\n  what to do: (?P<fix>.*?)"
    r"(?=\n\n|\nTraceback|\Z)",
    flags=re.MULTILINE | re.DOTALL,
)


def root_cause(error: BaseException) -> BaseException:
    """The exception at the start of a chain of `raise ... from ...`; the first of our own errors if there is one."""
    chain = [error]
    while (previous := chain[-1].__cause__ or chain[-1].__context__) is not None and previous not in chain:
        chain.append(previous)
    ours = [item for item in chain if isinstance(item, EyeBundlesError)]
    told = [found for item in chain if (found := from_worker(item)) is not None]
    return (told or ours or chain)[-1]


@contextmanager
def own_errors() -> Iterator[None]:
    """Of MONAI's errors let only our own cause be seen."""
    try:
        yield
    except Exception as error:
        cause = root_cause(error)
        if isinstance(cause, EyeBundlesError) and cause is not error:
            raise cause from None
        raise


def from_worker(error: BaseException) -> EyeBundlesError | None:
    """Our own error that ended a `DataLoader` worker: PyTorch raises it again as text, with the worker's traceback."""
    match = IN_TRACEBACK.search(str(error)) if "DataLoader worker process" in str(error) else None
    if match is None:
        return None
    kind = next((kind for kind in EyeBundlesError.__subclasses__() if kind.__name__ == match["kind"]), EyeBundlesError)
    return kind(match["received"], expected=match["expected"], fix=match["fix"].rstrip())


def print_cause_last(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: for our own errors the message alone, for others the traceback, then the root cause.

    Ctrl-C is one word; Python then ends by the signal, which a shell shows as status 130.
    """
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr, flush=True)
        return
    cause = root_cause(error)
    if not isinstance(cause, EyeBundlesError):
        sys.__excepthook__(kind, error, trace)
    print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr, flush=True)


def install_excepthook() -> None:
    """Let uncaught exceptions end with the line the user needs; an interactive debugger's own hook is kept."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = print_cause_last
