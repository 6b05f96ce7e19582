"""Plotly, which interactive pages need and nothing else does."""

from __future__ import annotations

from typing import Any

from shared.errors import ConfigError


def graph_objects() -> Any:
    """The module `plotly.graph_objects`.

    Raises:
        ConfigError: plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ConfigError(
            "plotly is not installed, which draws the interactive page",
            expected="the extra `observatory`",
            fix="pip install 'monai-eye-bundles[observatory]'; pictures and tables are written without it",
        ) from error
    return go
