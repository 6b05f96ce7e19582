"""One way to state a problem: what was received, what was expected, what to do."""

from __future__ import annotations


class EyeBundlesError(Exception):
    """A problem that the user can solve; its text alone should be enough to solve it.

    Args:
        received: what was found, with names and numbers.
        expected: what should have been there.
        fix: what to do about it, naming the key, file or command.
    """

    def __init__(self, received: str, *, expected: str, fix: str) -> None:
        self.received, self.expected, self.fix = received, expected, fix
        super().__init__(received, expected, fix)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.received, self.expected, self.fix))

    def __str__(self) -> str:
        return f"{self.received}\n  expected: {self.expected}\n  what to do: {self.fix}"


class DataError(EyeBundlesError, ValueError):
    """Data on disk are missing, corrupt or contradict each other."""


class ConfigError(EyeBundlesError, ValueError):
    """A configuration key, or the combination of several, cannot work."""


class CheckpointError(EyeBundlesError, RuntimeError):
    """Weights cannot be had, read or fitted into the network."""


class TrainingError(EyeBundlesError, RuntimeError):
    """Training cannot go on."""


class ExportError(EyeBundlesError, RuntimeError):
    """A network cannot be exported, or its exported form says something else."""


def _rebuild(kind: type[EyeBundlesError], received: str, expected: str, fix: str) -> EyeBundlesError:
    return kind(received, expected=expected, fix=fix)
