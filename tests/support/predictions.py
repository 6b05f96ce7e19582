"""Small volumes with predictions, and an engine whose state looks like that of MONAI's evaluator after decollation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine

CLASSES = ["IRF", "SRF", "PED"]


def draw_volume(
    name: str,
    *,
    size: tuple[int, int, int] = (6, 24, 20),
    network_size: tuple[int, int] | None = None,
    seed: int = 0,
    vendor: str = "Cirrus",
    physical: bool = True,
    labelled: bool = True,
    fluids: tuple[int, ...] = (1, 2, 3),
    predictions: tuple[str, ...] = (),
    error: float = 0.2,
) -> SimpleNamespace:
    """A volume: `item`, `truth_NHW`, and per B-scan `pairs` of what the evaluator holds (output, batch)."""
    generator = np.random.default_rng(seed)
    slices, height, width = size
    truth_NHW = np.zeros(size, np.uint8)
    for fluid in fluids:
        top, left = 3 * fluid + int(generator.integers(3)), 4 * fluid
        truth_NHW[1:-1, top : top + 3, left : left + 4] = fluid
    inner = network_size or (height, width)
    item = {
        "name": name,
        "vendor": vendor,
        "patient": name.rsplit("/", 1)[-1],
        "image": f"{name}/oct.mhd",
        "label": f"{name}/reference.mhd" if labelled else "",
        "num_slices": slices,
        "size": [height, width],
        "spacing": [0.5, 0.002, 0.1] if physical else [1.0, 1.0, 1.0],
        "physical": physical,
    }
    pairs = []
    for index in range(slices):
        maps = {}
        for prediction in predictions or ("pred",):
            seen_HW = np.where(generator.random((height, width)) < error, generator.integers(4), truth_NHW[index])
            logits = torch.from_numpy(np.eye(4)[seen_HW] * 3 + generator.random((height, width, 4))).permute(2, 0, 1)
            maps[prediction] = torch.nn.functional.interpolate(logits[None].float(), size=inner)[0].softmax(0)
        batch = {
            "name": f"{name}/{index:03}",
            "volume": name,
            "vendor": vendor,
            "slice": torch.tensor(index),
            "labelled": torch.tensor(labelled),
            "native_size": torch.tensor([height, width]),
            "native_label": torch.from_numpy(
                truth_NHW[index][None] if labelled else np.zeros((1, height, width), "u1")
            ),
            "image": torch.from_numpy(generator.random((1, *inner), np.float32)),
        }
        pairs.append(({"pred": maps if predictions else maps["pred"]}, batch))
    return SimpleNamespace(item=item, truth_NHW=truth_NHW, pairs=pairs)


def evaluator_over(pairs: list[Any], per_batch: int = 2) -> tuple[Engine, list[list[int]]]:
    """The engine, and what to run it on."""

    def step(engine: Engine, indices: list[int]) -> list[Any]:
        engine.state.batch = [pairs[index][1] for index in indices]
        return [pairs[index][0] for index in indices]

    return Engine(step), [
        list(range(len(pairs)))[start : start + per_batch] for start in range(0, len(pairs), per_batch)
    ]
