"""Values of configuration keys: which are plain, and whether one has the type that a file gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.errors import ConfigError

SPECIAL = ("$", "@", "%")


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a word, or a list of numbers."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, (bool, int, float)) for item in value)
    return isinstance(value, (bool, int, float, str))


def is_expression(value: Any) -> bool:
    """Whether a value is worked out when it is used: `$...`, `@...`, `%...`."""
    return isinstance(value, str) and value.startswith(SPECIAL)


def check_value(key: str, value: Any, *, sample: Any) -> None:
    """Compare a value from the command line with the one in the configuration file.

    Args:
        key: its name.
        value: as given; expressions pass.
        sample: the file's value; of an expression, a component or null nothing is known and all passes.

    Raises:
        ConfigError: for another type, another number of items, or a negative number where the file has none.
    """
    if is_expression(value):
        return
    wanted = mismatch(value, sample)
    if wanted:
        quoted = f"--{key} \"'{value}'\"" if isinstance(sample, str) else f"--{key} {on_command_line(sample)}"
        raise ConfigError(f"--{key} is {value!r}", expected=wanted, fix=f"for example {quoted}")


def mismatch(value: Any, sample: Any) -> str:
    """What was expected in place of a value; empty if it will do."""
    if sample is None or is_expression(sample) or (isinstance(sample, Mapping) and "_target_" in sample):
        return ""
    if isinstance(sample, bool):
        return "" if isinstance(value, bool) else "True or False"
    if isinstance(sample, (int, float)):
        kinds = (int, float) if isinstance(sample, float) else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return "a number" if isinstance(sample, float) else "a whole number"
        return "a number that is not negative" if sample >= 0 > value else ""
    if isinstance(sample, str):
        return "" if isinstance(value, str) else "text (quoted, where it looks like a number)"
    if isinstance(sample, Mapping):
        return "" if isinstance(value, Mapping) else "names with values, {...}"
    if not isinstance(value, (list, tuple)):
        return f"a list of {len(sample)} numbers" if sample and is_plain(sample) else "a list"
    if sample and is_plain(sample):
        wrong = len(value) != len(sample) or any(map(mismatch, value, sample))
        return f"a list of {len(sample)} numbers like {on_command_line(sample)}" if wrong else ""
    return ""


def on_command_line(value: Any) -> str:
    """A value as it is typed in a shell."""
    text = str(value) if isinstance(value, (bool, str)) else json.dumps(value, separators=(",", ":"))
    return f'"{text}"' if isinstance(value, Mapping) else text
