"""Semi-supervised methods as interchangeable parts of one engine, chosen by one word."""

from __future__ import annotations

import inspect
from typing import Any

from shared.choices import check_choice, nearest
from shared.engines.consistency.base import ConsistencyMethod, Passes, ScanBatch
from shared.engines.consistency.cross_pseudo import CrossPseudo
from shared.engines.consistency.fixmatch import FixMatch
from shared.engines.consistency.mean_teacher import MeanTeacher
from shared.engines.consistency.mixmatch import MixMatch
from shared.engines.consistency.supervised import SupervisedOnly
from shared.engines.consistency.unimatch import UniMatch
from shared.errors import ConfigError

__all__ = ["METHODS", "ConsistencyMethod", "Passes", "ScanBatch", "make_method"]

METHODS: dict[str, type[ConsistencyMethod]] = {
    "mean_teacher": MeanTeacher,
    "fixmatch": FixMatch,
    "unimatch": UniMatch,
    "cross_pseudo": CrossPseudo,
    "mixmatch": MixMatch,
    "supervised": SupervisedOnly,
}


def make_method(name: str, *, num_classes: int, **settings: Any) -> ConsistencyMethod:
    """A method by its word.

    Args:
        name: a key of `METHODS`.
        num_classes: K, background included.
        settings: arguments of the method: ``consistency_weight`` (None: the method's own), ``rampup_epochs``,
            ``ema_decay``, and those of its class, such as ``threshold``.

    Raises:
        ConfigError: an unknown word, or a setting that the method does not have.
    """
    check_choice("method", name, METHODS)
    kind = METHODS[name]
    known = {key for cls in kind.__mro__[:-1] for key in inspect.signature(cls).parameters} - {"more"}
    if unknown := sorted(set(settings) - known):
        near = nearest(unknown[0], known)
        raise ConfigError(
            f"the method {name} has no setting {unknown[0]!r}",
            expected=f"among {', '.join(sorted(known - {'num_classes'}))}",
            fix=f"did you mean {near!r}?" if near else "leave it out",
        )
    return kind(**settings, **({"num_classes": num_classes} if "num_classes" in known else {}))
