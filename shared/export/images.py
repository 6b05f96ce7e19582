"""Real images to check an exported network with, read as the bundle's inference.json reads them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import torch
from torch import Tensor

from shared.errors import DataError, EyeBundlesError
from shared.export.trained import Trained
from shared.workflow.errors import root_cause

NUMBER = 2


def real_images(trained: Trained, path: str | Path, *, number: int = NUMBER) -> dict[str, Tensor]:
    """The first images in a file or folder, ``[1,C,H,W]`` by name, loaded and normalised for the network.

    Args:
        trained: whose bundle reads them.
        path: what the bundle's ``dataset_dir`` may be.
        number: of images at most.

    Raises:
        DataError: nothing there that the bundle reads.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            dataset = trained.resolved("dataset", dataset_dir=str(Path(path).expanduser().absolute()), num_workers=0)
            samples = [dataset[place] for place in range(min(number, len(dataset)))]
    except Exception as error:
        cause = root_cause(error)
        if isinstance(cause, EyeBundlesError) and cause is not error:
            raise cause from None
        raise
    if not samples:
        raise DataError(
            f"--check_images {path} holds no image that {trained.root.name} reads",
            expected="a file or folder as its dataset_dir",
            fix="correct the path, or leave --check_images out",
        )
    return {
        f"{Path(path).name}, image {place + 1}": torch.as_tensor(sample["image"]).float()[None].contiguous()
        for place, sample in enumerate(samples)
    }
