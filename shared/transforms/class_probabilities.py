"""From class logits to probabilities, for one network or several side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from shared.errors import ConfigError

KEY = "pred"


class ClassProbabilitiesd(Transform):
    """Turns ``pred``, logits ``[K, H, W]`` or several by name, into probabilities by softmax over classes.

    Log-probabilities are logits: their softmax gives the probabilities back.

    Args:
        ensemble: weights by name of prediction (``"equal"``: all alike); adds their weighted mean as ``"ensemble"``.
    """

    def __init__(self, *, ensemble: Mapping[str, float] | str | None = None) -> None:
        self.ensemble = ensemble

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The same item with probabilities.

        Raises:
            ConfigError: an ensemble of predictions that the network does not give.
        """
        predicted = data[KEY]
        if not isinstance(predicted, Mapping):
            if self.ensemble:
                raise _wrong(self.ensemble, [])
            return dict(data) | {KEY: torch.as_tensor(predicted).float().softmax(0)}
        maps = {name: torch.as_tensor(logits).float().softmax(0) for name, logits in predicted.items()}
        if self.ensemble:
            weights = dict.fromkeys(maps, 1.0) if isinstance(self.ensemble, str) else dict(self.ensemble)
            total = sum(weights.values())
            if not weights.keys() <= maps.keys() or total <= 0 or self.ensemble not in ("equal", weights):
                raise _wrong(self.ensemble, list(maps))
            mixed = [weight / total * maps[name] for name, weight in weights.items() if weight]
            maps["ensemble"] = torch.stack(mixed).sum(0)
        return dict(data) | {KEY: maps}


def _wrong(ensemble: Any, names: list[str]) -> ConfigError:
    return ConfigError(
        f"an ensemble of {ensemble!r}, where the network gives {', '.join(names) or 'one prediction'}",
        expected='weights by name of prediction, such as {"student": 0.4, "teacher": 0.6}, or "equal"',
        fix="correct the key `ensemble`",
    )
