"""The command line: `python -m shared COMMAND`."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from shared.errors import EyeBundlesError


class Command(NamedTuple):
    """Where a command's function is, imported only when it is called, and what it does in one line."""

    module: str
    function: str
    purpose: str

    def load(self) -> Callable[..., object]:
        function: Callable[..., object] = getattr(importlib.import_module(self.module), self.function)
        return function


COMMANDS = {
    "doctor": Command("shared.doctor.command", "doctor", "list all that is wrong with a data set, with pictures"),
}
USAGE = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; problems of the user end with their message and status 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return
    name, *rest = given
    if name not in COMMANDS:
        _refuse(f"there is no command {name!r}{_nearest(name, list(COMMANDS))}\n\n{overview()}")
    function = COMMANDS[name].load()
    check_flags(name, rest, function)
    import fire

    try:
        fire.Fire(function, command=rest, name=f"python -m shared {name}")
    except EyeBundlesError as error:
        _refuse(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        _refuse("interrupted; nothing was written", status=130)


def overview() -> str:
    """The commands, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.purpose}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: python -m shared COMMAND ...   (COMMAND --help tells more)", "", *lines])


def check_flags(name: str, arguments: Sequence[str], function: Callable[..., object]) -> None:
    """Refuse flags that ``function`` does not have, with the nearest name, and exit with status 2."""
    parameters = inspect.signature(function).parameters
    switches = {f"no{key}" for key, parameter in parameters.items() if isinstance(parameter.default, bool)}
    for argument in arguments:
        if argument == "--":
            return
        if not argument.startswith("-") or argument in ("-h", "--help") or argument.lstrip("-")[:1].isdigit():
            continue
        flag = argument.lstrip("-").split("=")[0].replace("-", "_")
        if not argument.startswith("--") or flag not in parameters.keys() | switches:
            _refuse(
                f"{name} has no flag {argument.split('=')[0]}{_nearest(flag, list(parameters), prefix='--')}\n"
                f"  expected: {', '.join(f'--{key}' for key in parameters)}"
            )


def _nearest(name: str, known: Sequence[str], *, prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def _refuse(message: str, *, status: int = USAGE) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
