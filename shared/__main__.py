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
    "fetch": Command("shared.fetch.command", "fetch", "download a public data set from its official address"),
    "study": Command("shared.study.command", "study", "train, evaluate and compare all rows of a study file"),
    "results": Command("shared.report.results", "results", "print a run's report as Markdown, for documentation"),
    "losses": Command(
        "shared.observatory.command", "losses", "look at losses: one pixel's loss and gradient, surfaces"
    ),
    "compare": Command(
        "shared.comparison.command", "compare", "put recorded runs beside each other: tables, curves, one page"
    ),
    "package": Command("shared.package.pack", "package", "make one zip of a bundle that runs without this project"),
    "unpack": Command("shared.package.unpack", "unpack", "open such a zip with care"),
    "dicom": Command("shared.dicom.command", "dicom", "wrap pictures and volumes as DICOM files to try things with"),
    "export": Command("shared.export.command", "export", "write a trained network as TorchScript and ONNX, checked"),
    "latency": Command(
        "shared.export.latency", "latency", "time a trained network as it is, scripted and as ONNX, side by side"
    ),
    "infer": Command("shared.folder.command", "infer", "read a whole folder of any size; resumes"),
    "federate": Command("shared.federated.command", "federate", "train over several sites that keep their images"),
    "label": Command("shared.label.command", "label", "serve trained bundles in MONAI Label"),
    "demo": Command("shared.demo.command", "demo", "read one photograph or volume at a time on a page in the browser"),
    "mlflow": Command("shared.workflow.browse", "browse", "show all runs in the browser"),
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

    parameters = inspect.signature(function).parameters
    parsers = {
        key: str if _is_text(parameter) else fire.parser.DefaultParseValue for key, parameter in parameters.items()
    }
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values()):
        # The parser of values without a name.
        function = fire.decorators.SetParseFn(str)(function)
    function = fire.decorators.SetParseFns(**parsers)(function)
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
    """Refuse flags that ``function`` does not have, with the nearest name, and too many values; exit status 2.

    A flag's first letter alone is left to Fire, which takes it where it is unique.
    """
    parameters = inspect.signature(function).parameters
    switches = {key for key, parameter in parameters.items() if isinstance(parameter.default, bool)}
    places = [key for key, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    values: list[str] = []
    takes_value = False
    for argument in arguments:
        if argument == "--":
            break
        if argument in ("-h", "--help"):
            return
        if not argument.startswith("-") or argument.lstrip("-")[:1].isdigit():
            values += [argument] * (not takes_value)
            takes_value = False
            continue
        flag = argument.lstrip("-").split("=")[0].replace("-", "_")
        letter = len(flag) == 1 and any(key.startswith(flag) for key in parameters)
        if not letter and flag not in parameters.keys() | {f"no{key}" for key in switches}:
            _refuse(
                f"{name} has no flag {argument.split('=')[0]}{_nearest(flag, list(parameters), prefix='--')}\n"
                f"  expected: {', '.join(f'--{key}' for key in parameters)}"
            )
        takes_value = "=" not in argument and flag.removeprefix("no") not in switches
        places = [key for key in places if key != flag]
    many = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values())
    if len(values) > len(places) and not many:
        _refuse(
            f"{name} got {' '.join(values[len(places) :])!r} too much\n  expected: {' '.join(map(str.upper, places))}"
        )


def _is_text(parameter: inspect.Parameter) -> bool:
    """Whether a value is kept as typed: Fire would read a folder called 2024 as a number."""
    return str(parameter.annotation).startswith("str")


def _nearest(name: str, known: Sequence[str], *, prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def _refuse(message: str, *, status: int = USAGE) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
