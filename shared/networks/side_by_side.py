"""Several networks on the same images, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from shared.errors import ConfigError
from shared.networks.ensemble import loaded


class SideBySide(nn.Module):
    """Logits of each member by its name, to evaluate members and to fit the weights of their ensemble.

    Args:
        members: by name ``{"network": module, "checkpoint": path}``, as `Ensemble` takes them.

    Raises:
        ConfigError: no member, or a name that is reserved or has a dot.
        CheckpointError: a checkpoint is absent, unreadable or of another architecture.
    """

    def __init__(self, *, members: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        if not members or "ensemble" in members or any("." in name or not name for name in members):
            raise ConfigError(
                f"members called {', '.join(map(repr, members)) or 'nothing'}",
                expected="at least one name, without dots; `ensemble` is the name of their mean",
                fix="rename the members",
            )
        self.networks = nn.ModuleDict({name: loaded(member) for name, member in members.items()})

    def forward(self, image_BCHW: Tensor) -> dict[str, Tensor]:
        """Logits ``[B, K, H, W]`` by name; members run one after another."""
        return {name: network(image_BCHW) for name, network in self.networks.items()}
