"""Inference work from file to files on one full-size photograph, by the parts that `inference.json` names."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray

from benchmarks.photographs import BUNDLE, FULL_SIZE, find_items
from shared.handlers import PhotographWriter
from shared.metrics.outcome import outcome_of
from shared.tasks import parse_tasks

LESION_SHARE = 0.01


class LatencyWork:
    """Decode, network, restore, write: one photograph, with random weights.

    Random weights know no lesion: thresholds are set where 1 % of each mask's pixels lie above, so that the writer
    has something to count, measure and draw.

    Args:
        keys: top-level keys of `inference.json` to replace, such as ``image_size``.
        overlays: files of the bundle's `configs` laid over it.
        dataset_dir: see `find_items`.
        photo_size: (height, width) of phantoms.
        seed: of the weights.
    """

    def __init__(
        self,
        *,
        keys: dict[str, Any],
        overlays: tuple[str, ...] = (),
        dataset_dir: str,
        photo_size: tuple[int, int] = FULL_SIZE,
        seed: int = 0,
    ) -> None:
        sys.path.insert(0, str(BUNDLE))
        items, self.source = find_items(dataset_dir, number=1, size=photo_size)
        self.item = {"image": items[0]["image"], "name": items[0]["name"]}
        parser = ConfigParser()
        for name in ("inference.json", *overlays):
            parser.update(json.loads((BUNDLE / "configs" / name).read_text()))
        parser.update({"bundle_root": str(BUNDLE), **keys})
        torch.manual_seed(seed)
        self.parts = {name: parser.get_parsed_content(name) for name in ("preprocessing", "inferer", "postprocessing")}
        self.network = parser.get_parsed_content("network").eval()
        self.device, self.tasks = parser.get_parsed_content("device"), parse_tasks(parser.get_parsed_content("tasks"))
        self.folder = tempfile.TemporaryDirectory()
        self.thresholds: dict[str, float] = {}
        self.seconds: dict[str, list[float]] = {}
        self.canvas: tuple[int, ...] = ()
        output = self.run(write=False)
        for task, map_HW in zip(self.tasks.masks, output["pred"], strict=True):
            seen = map_HW[map_HW > 0][::101]
            self.thresholds[task.name] = float(torch.quantile(seen, 1 - LESION_SHARE))

    def once(self) -> None:
        self.run()

    @torch.no_grad()
    def run(self, *, write: bool = True) -> dict[str, Any]:
        """One photograph from file to files; returns the network's output at the photograph's size."""
        clock = [time.perf_counter()]
        sample = self.parts["preprocessing"](self.item)
        image_B3HW = torch.as_tensor(sample["image"])[None].to(self.device)
        self.canvas = tuple(image_B3HW.shape[2:])
        clock.append(time.perf_counter())
        outputs = self.parts["inferer"](image_B3HW, self.network)
        outputs = {name: value[0].cpu() for name, value in outputs.items()}
        clock.append(time.perf_counter())
        restored = self.parts["postprocessing"](sample | {"pred": outputs})
        clock.append(time.perf_counter())
        if write:
            writer = PhotographWriter(self.tasks, output_dir=self.folder.name, thresholds=self.thresholds)
            writer(outcome_of(restored, sample, self.tasks))
            clock.append(time.perf_counter())
            for name, seconds in zip(("decode", "network", "restore", "write"), np.diff(clock), strict=True):
                self.seconds.setdefault(name, []).append(float(seconds))
        return restored

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        return {"pred": np.asarray(self.run(write=False)["pred"])}

    def facts(self) -> dict[str, Any]:
        """``shares`` of the time, over all runs so far but the first; and the canvas."""
        rows = 0

        def count(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
            nonlocal rows
            rows += output.shape[0]

        experts = [m for name, m in self.network.named_modules() if name.rpartition(".")[0].endswith("experts")]
        windows = 0

        def count_windows(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            nonlocal windows
            windows += inputs[0].shape[0]

        hooks = [expert.register_forward_hook(count) for expert in experts]
        hooks.append(self.network.backbone.register_forward_hook(count_windows))
        self.once()
        for hook in hooks:
            hook.remove()
        self.seconds = {name: taken[-1:] if len(taken) < 2 else taken[1:] for name, taken in self.seconds.items()}
        medians = {name: float(np.median(taken)) for name, taken in self.seconds.items()}
        total = sum(medians.values())
        return {
            "experts": rows / (windows * len(self.tasks)),
            "shares": {name: median / total for name, median in medians.items()},
            "data": f"{self.source}, canvas {self.canvas[1]}x{self.canvas[0]}, {windows} windows",
        }
