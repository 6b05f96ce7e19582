"""A short training run with snapshots, in a folder as bundles write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser

from shared.losses import SegmentationLoss
from shared.observatory import SnapshotSaver

NETWORK = {
    "_target_": "monai.networks.nets.UNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": "@num_classes",
    "channels": [4, 8],
    "strides": [2],
    "norm": "batch",
}
CONFIG = {"num_classes": 2, "network_def": NETWORK}
EPOCHS = 4


def discs(count: int = 6) -> list[dict]:
    """Grey images of bright discs; every third is not labelled."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    items = []
    for place in range(count):
        centre_y, centre_x = (5 + 6 * torch.rand(2, generator=generator)).tolist()
        label = ((y - centre_y) ** 2 + (x - centre_x) ** 2 < 16)[None]
        image = label + 0.3 * torch.randn(1, 16, 16, generator=generator)
        items.append({"image": image, "label": label.to(torch.uint8), "labelled": place % 3 != 2})
    return items


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of Adam on discs."""
    folder = tmp_path_factory.mktemp("runs") / "20260101"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    network = ConfigParser(CONFIG).get_parsed_content("network_def")
    optimizer, loss = torch.optim.Adam(network.parameters(), lr=0.03), SegmentationLoss(name="dice", num_classes=2)

    def step(engine: Engine, item: dict) -> float:
        network.train()
        optimizer.zero_grad()
        value = loss(network(item["image"][None]), item["label"][None])
        value.backward()
        optimizer.step()
        return float(value)

    engine = Engine(step)
    SnapshotSaver(network=network, dataset=discs(), output_dir=folder, num_images=3).attach(engine)
    engine.run(discs(), max_epochs=EPOCHS)
    return folder
