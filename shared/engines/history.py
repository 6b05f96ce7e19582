"""The record of a run, one row per epoch: what curves are drawn from and what the best epoch is chosen by."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

Row = dict[str, float]


class History:
    """Rows of training losses, learning rate and validation metrics; part of every checkpoint.

    Args:
        key: the validation metric that selects the best epoch (larger is better).
    """

    def __init__(self, *, key: str = "score") -> None:
        self.key = key
        self.rows: list[Row] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add_terms(self, terms: Mapping[str, float]) -> None:
        """Add the loss terms of one iteration to the running epoch; a task absent from a batch counts in none."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
            self._counts[name] = self._counts.get(name, 0) + 1

    def end_epoch(self, epoch: int, *, learning_rate: float, metrics: Mapping[str, float]) -> Row:
        """Close the running epoch.

        Args:
            epoch: its number, from 1.
            learning_rate: of its last iteration.
            metrics: of the validation after it; empty when there was none.

        Returns:
            the new row: ``epoch``, ``learning_rate``, ``loss`` (the total) and ``loss_<term>``, means over iterations,
            and those metrics that are finite.
        """
        losses = {
            "loss" if name == "total" else f"loss_{name}": total / self._counts[name]
            for name, total in sorted(self._sums.items(), key=lambda item: item[0] != "total")
        }
        row: Row = {"epoch": epoch, "learning_rate": learning_rate, **losses}
        row |= {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        self.rows = [old for old in self.rows if old["epoch"] < epoch] + [row]
        self._sums, self._counts = {}, {}
        return row

    @property
    def best(self) -> Row | None:
        """The row with the largest `key`, the earliest of equals; None before the first validation."""
        rated = [row for row in self.rows if math.isfinite(row.get(self.key, math.nan))]
        return max(rated, key=lambda row: (row[self.key], -row["epoch"]), default=None)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as primitives."""
        return json.loads(json.dumps({"rows": self.rows, "sums": self._sums, "counts": self._counts}))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue a record."""
        self.rows, self._sums, self._counts = list(state["rows"]), dict(state["sums"]), dict(state["counts"])
