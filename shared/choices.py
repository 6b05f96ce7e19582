"""Words that a key may have, and the nearest of them to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from shared.errors import ConfigError


def nearest(word: str, choices: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """The choice most like ``word``; None where none is at least ``cutoff`` (0 to 1) alike."""
    return next(iter(difflib.get_close_matches(word, list(choices), n=1, cutoff=cutoff)), None)


def check_choice(key: str, value: str, choices: Iterable[str], *, expected: str = "one of") -> None:
    """Raise `ConfigError` unless ``value`` is one of ``choices``; it names the nearest.

    Args:
        key: as it is typed, without the dashes.
        expected: the words before the list of choices.
    """
    known = list(choices)
    if value in known:
        return
    near = nearest(value, known)
    raise ConfigError(
        f"{key} is {value!r}",
        expected=f"{expected} {', '.join(known)}",
        fix=f"did you mean {near!r}?" if near else f"correct `{key}`",
    )
