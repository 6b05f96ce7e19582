"""Weights of any bundle from a training run of one iteration, on phantoms that are drawn for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from tests.support.bundle import run
from tests.support.tiny import TINY, draw


class Trained(NamedTuple):
    """``model``: `model.pt`, its facts beside it. ``phantoms``: what it was trained on. ``sample``: of these, what
    inference reads."""

    model: Path
    phantoms: Path
    sample: Path

    @property
    def one(self) -> Path:
        """A single photograph or volume."""
        if self.sample.is_file():
            return self.sample
        return next(file for file in sorted(self.sample.iterdir()) if file.suffix in (".jpg", ".png"))


def train(bundle: str, folder: Path, *, phantoms: Path | None = None) -> Trained:
    """Train for one iteration; the caller keeps `$EYE_BUNDLES_HOME` and `sys.path`.

    Args:
        bundle: its name.
        folder: for everything that is written.
        phantoms: drawn before; by default drawn anew below ``folder``.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    drawn = phantoms or draw(bundle, folder / "phantoms")
    folders = {"dataset_dir": drawn, "output_dir": folder / "run", "models_dir": folder / "models"}
    # One store for all bundles' runs beside each other: making one takes seconds.
    store = {"tracking_uri": f"sqlite:///{folder.absolute().parent / 'mlflow.db'}"}
    short = store | {"max_epochs": 1, "batches_per_epoch": 1} | {key: str(value) for key, value in folders.items()}
    try:
        run(bundle, "train", **(TINY[bundle].keys | short))
    finally:
        torch.set_num_threads(threads)
    return Trained(folder / "models" / "model.pt", drawn, drawn / TINY[bundle].inferred)
