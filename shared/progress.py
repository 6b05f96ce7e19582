"""One kind of progress bar: quick on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

LOG_INTERVAL_S = 20.0


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """A `tqdm` bar with the time that is left.

    Args:
        iterable: what to go through; None for a bar that is moved by hand.
        options: of tqdm, such as ``total``, ``desc``, ``unit``, ``initial``, ``disable``.
    """
    from tqdm import tqdm

    pace = {} if sys.stderr.isatty() else {"mininterval": LOG_INTERVAL_S, "miniters": 1}
    return tqdm(iterable, dynamic_ncols=True, **pace, **options)
