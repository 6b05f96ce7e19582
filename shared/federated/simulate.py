"""A federation whose sites all live in this process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.federated.average import State, federated_average, weighted_mean
from shared.federated.publish import ServerWorkflow, write_model
from shared.federated.site import Site
from shared.progress import progress_bar
from shared.report.files import write_csv, write_json

ALL = "all sites"
COLUMNS = ["round", "site", "training", "validation", "loss", "score"]


class Row(NamedTuple):
    """A site in a round: mean loss of its last local epoch, and the averaged weights' score on its validation images.

    Of all sites: means weighted by the number of training, and of validation images.
    """

    round: int
    site: str
    training: int
    validation: int
    loss: float
    score: float


class Federation:
    """FedAvg over sites: each trains the same weights on its own images, the mean goes round again.

    Args:
        sites: ready to train.
        output_dir: `rounds.csv`, `model.pt` and `model.json` go there.
        server: the same configuration without images.

    Attributes:
        rows: of the rounds so far.
        best: exchanged weights of the round with the best mean score; of the last round where none was scored.
    """

    def __init__(self, sites: Sequence[Site], *, output_dir: Path, server: ServerWorkflow) -> None:
        self.sites, self.output_dir, self.server = list(sites), output_dir, server
        self.rows: list[Row] = []
        self.weights: State = self.sites[0].weights()
        self.best: State = self.weights
        self.best_row: Row | None = None

    def run(self, rounds: int) -> list[Row]:
        """Train for some rounds, then write the model."""
        for number in progress_bar(range(1, rounds + 1), desc="federation", unit="round"):
            self.round(number)
            self.write_rows()
        self.publish()
        for site in self.sites:
            site.close()
        return self.rows

    def round(self, number: int) -> None:
        """Send the weights out, average what comes back, score the mean."""
        updates = {site.name: site.train(self.weights) for site in self.sites}
        samples = {name: update.samples for name, update in updates.items()}
        self.weights = federated_average({name: update.weights for name, update in updates.items()}, samples=samples)
        rows = [
            Row(number, site.name, samples[site.name], site.validation_samples, updates[site.name].loss, score)
            for site, score in [(site, site.score(self.weights)) for site in self.sites]
        ]
        training, validation = [row.training for row in rows], [row.validation for row in rows]
        loss = weighted_mean([row.loss for row in rows], training)
        score = weighted_mean([row.score for row in rows], validation)
        mean = Row(number, ALL, sum(training), sum(validation), loss, score)
        self.rows += [*rows, mean]
        best = self.best_row.score if self.best_row is not None else math.nan
        if not mean.score <= best:
            self.best, self.best_row = self.weights, mean

    def write_rows(self) -> Path:
        """Rewrite `rounds.csv`."""
        return write_csv(self.output_dir / "rounds.csv", [row._asdict() for row in self.rows], COLUMNS)

    def publish(self) -> Path:
        """Write the best round's `model.pt` and what is known of it."""
        chosen = self.best_row or self.rows[-1]
        about: dict[str, Any] = {
            "dataset": f"{len(self.sites)} sites",
            "phantom": any(site.is_phantom for site in self.sites),
            "epoch": chosen.round * self.sites[0].algo.local_epochs,
            "selected_by": "mean validation score of the sites",
            "score": chosen.score,
            "federated": {
                "sites": {row.site: row.training for row in self.rows if row.round == 1 and row.site != ALL},
                "rounds": self.rows[-1].round,
                "chosen_round": chosen.round,
                "local_epochs": self.sites[0].algo.local_epochs,
            },
        }
        write_split(self.sites, self.output_dir)
        return write_model(self.output_dir, self.server, self.best, about=about, source="the sites' mean")


def write_split(sites: Sequence[Site], output_dir: Path) -> Path:
    """Write one `split.json` of all sites, so that evaluation refuses what any of them has trained on.

    A name that two sites use gets the site's name in front, and then protects nothing.
    """
    import json

    from shared.data.splits import SPLIT_FILE

    parts: dict[str, list[str]] = {}
    contents: dict[str, str] = {}
    about: Mapping[str, Any] = {}
    for site in sites:
        file = output_dir / site.name / SPLIT_FILE
        saved = json.loads(file.read_text())
        about = saved["about"]
        for part, names in saved["parts"].items():
            for name in names:
                unique = name if name not in contents else f"{site.name}/{name}"
                parts.setdefault(part, []).append(unique)
                contents[unique] = saved["contents"][name]
    return write_json(output_dir / SPLIT_FILE, {"about": about, "parts": parts, "contents": contents})
