"""What the command line gave: MONAI merges files and overrides and keeps no record of which was which."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import ensure_tuple

CREATORS = {"create_workflow": "_args", "run": "override"}
OWN_ARGUMENTS = {"workflow_name", "args_file", *inspect.signature(ConfigWorkflow.__init__).parameters}


class Invocation(NamedTuple):
    """Configuration files in order, and the keys that override them."""

    config_files: tuple[str, ...]
    overrides: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The files' names without folders."""
        return [Path(file).name for file in self.config_files]


def invocation() -> Invocation | None:
    """The call of `monai.bundle`'s `run` or `create_workflow` that a caller of this function runs in.

    Returns:
        None where there is none: a `ConfigWorkflow` made by hand does not tell its files from its overrides.
    """
    frame = inspect.currentframe()
    while frame is not None:
        name, values = frame.f_code.co_name, frame.f_locals
        if name in CREATORS and frame.f_globals.get("__name__") == "monai.bundle.scripts":
            given: Mapping[str, Any] = values.get(CREATORS[name], {})
            files = values.get("config_file")
            if name == "run" and values.get("args_file"):
                defaults = ConfigParser.load_config_file(values["args_file"])
                files = files or defaults.get("config_file")
                given = defaults | dict(given)
            overrides = {key: value for key, value in given.items() if key not in OWN_ARGUMENTS | {"config_file"}}
            return Invocation(tuple(str(file) for file in ensure_tuple(files or ())), overrides)
        frame = frame.f_back
    return None
