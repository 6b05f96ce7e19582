"""Weights of an ensemble, chosen by the Dice that each would have: every one on a grid is tried as B-scans pass by."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.errors import ConfigError, DataError
from shared.metrics import volumes
from shared.metrics.bootstrap import mean_of_defined
from shared.metrics.bscan_outcome import most_probable

log = logging.getLogger(__name__)

WEIGHTS_FILE = "ensemble.json"
MOST_WEIGHTS = 2000


class Choice(NamedTuple):
    """The best weights by name, their score, that of equal weights, and that of each member alone."""

    weights: dict[str, float]
    score: float
    equal: float
    members: dict[str, float]


def simplex_grid(members: int, *, steps: int = 10) -> npt.NDArray[np.float64]:
    """All weights in steps of 1 / ``steps`` that are not negative and sum to 1, ``[G, M]``.

    Raises:
        ConfigError: fewer than two members, or more than 2000 weights.
    """
    splits = itertools.combinations(range(steps + members - 1), members - 1)
    rows = list(itertools.islice(splits, MOST_WEIGHTS + 1)) if members > 1 and steps > 0 else []
    if not 1 < len(rows) <= MOST_WEIGHTS:
        raise ConfigError(
            f"{members} members, weights in {steps} steps",
            expected=f"two members or more, and at most {MOST_WEIGHTS} different weights",
            fix="take fewer steps or members",
        )
    bars_GM = np.array([(-1, *bars, steps + members - 1) for bars in rows])
    return np.asarray((np.diff(bars_GM, axis=1) - 1) / steps, np.float64)


class WeightSearch:
    """Counts of every weight on the grid and every volume: ``G * K * K`` numbers per volume, no maps.

    Args:
        members: names.
        num_classes: K.
        steps: of the grid.
    """

    def __init__(self, members: Sequence[str], *, num_classes: int, steps: int = 10) -> None:
        self.members, self.num_classes = list(members), num_classes
        self.grid_GM = simplex_grid(len(self.members), steps=steps)
        self.counts: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, volume: str, probabilities: Mapping[str, Tensor], truth_hw: Tensor) -> None:
        """Count a B-scan of a volume.

        Args:
            volume: its name.
            probabilities: ``[K, h, w]`` by member.
            truth_hw: classes, of the same size.
        """
        maps_MKP = torch.stack([probabilities[name].flatten(1) for name in self.members]).float()
        truth_P = truth_hw.flatten().long().to(maps_MKP.device) * self.num_classes
        cells = self.num_classes**2
        counts_GKK = self.counts.setdefault(
            volume, np.zeros((len(self.grid_GM), self.num_classes, self.num_classes), np.int64)
        )
        for row, weights_M in enumerate(torch.as_tensor(self.grid_GM, dtype=torch.float32, device=maps_MKP.device)):
            predicted_P = most_probable(torch.einsum("m,mkp->kp", weights_M, maps_MKP))
            counted = torch.bincount(truth_P + predicted_P, minlength=cells)
            counts_GKK[row] += counted.cpu().numpy().reshape(self.num_classes, self.num_classes)

    def scores(self) -> npt.NDArray[np.float64]:
        """Of every weight ``[G]``: mean over fluids of the mean Dice of volumes, as evaluation reports it."""
        confusion_GNKK = np.stack(list(self.counts.values()), 1)
        nothing_GNF = np.zeros((*confusion_GNKK.shape[:2], self.num_classes - 1))
        each_FG = [
            mean_of_defined(volumes.dice(volumes.measured(confusion_GNKK, nothing_GNF, fluid)), axis=1)
            for fluid in range(1, self.num_classes)
        ]
        return mean_of_defined(each_FG)

    def choose(self) -> Choice:
        """The weights of the highest score; of several the most even ones.

        Raises:
            DataError: no labelled B-scan came, or no volume has fluid in truth or prediction.
        """
        scores_G = self.scores() if self.counts else np.full(len(self.grid_GM), np.nan)
        if np.isnan(scores_G).all():
            raise nothing_to_choose_by(len(self.counts))
        uneven_G = np.square(self.grid_GM).sum(1)
        best = min(np.flatnonzero(scores_G >= np.nanmax(scores_G) - 1e-12), key=lambda row: uneven_G[row])
        names = self.members
        alone = {name: float(scores_G[self.grid_GM[:, column] == 1][0]) for column, name in enumerate(names)}
        nearest = int(np.abs(self.grid_GM - 1 / len(names)).max(1).argmin())
        weights = {name: round(float(weight), 6) for name, weight in zip(names, self.grid_GM[best], strict=True)}
        return Choice(weights, float(scores_G[best]), float(scores_G[nearest]), alone)


def nothing_to_choose_by(count: int) -> DataError:
    """The error for ``count`` labelled volumes without fluid."""
    return DataError(
        f"no weights can be chosen: {count} labelled volumes, none with fluid",
        expected="labelled validation volumes with fluid",
        fix="raise --validation_fraction, or use equal weights",
    )


def read_ensemble_weights(path: str | Path) -> dict[str, float] | str:
    """Weights that `FitEnsembleWeights` left.

    Args:
        path: the file, or the folder or weights file beside which it lies.

    Returns:
        weight by member; ``"equal"`` where there is no such file.
    """
    file = Path(path)
    if file.name != WEIGHTS_FILE:
        file = file / WEIGHTS_FILE if file.is_dir() else file.with_name(WEIGHTS_FILE)
    if not file.is_file():
        log.warning("no %s at %s: the members of the ensemble weigh the same", WEIGHTS_FILE, file.parent)
        return "equal"
    content: dict[str, Any] = json.loads(file.read_text())
    return dict(content["weights"])
