"""A bundle with everything that packaging looks at: a network of one layer, an overlay, weights with their record."""

import json
from pathlib import Path

import pytest
import torch

NETWORK = {"_target_": "torch.nn.Linear", "in_features": "@channels", "out_features": 2}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    root = tmp_path / "toy"
    for folder in ("configs", "scripts/__pycache__", "docs", "models"):
        (root / folder).mkdir(parents=True)
    versions = {"monai_version": "1.6.1", "pytorch_version": "2.13.0", "numpy_version": "2.4.6"}
    configs = {
        "metadata": versions | {"required_packages_version": {"fire": "0.7.1"}},
        "train": {"channels": 3, "rate": 0.1, "network_def": NETWORK, "train": {"handlers": [1]}},
        "inference": {"channels": 3, "network_def": NETWORK},
        "small": {"channels": 5, "rate": 0.2, "+train#handlers": [2]},
    }
    for name, config in configs.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(config))
    (root / "LICENSE").write_text("Apache")
    (root / "scripts" / "__init__.py").write_text("")
    (root / "scripts" / "__pycache__" / "x.pyc").write_text("")
    (root / "docs" / "README.md").write_text("# Toy")
    torch.save(torch.nn.Linear(7, 2).state_dict(), root / "models" / "model.pt")
    record = {"config_files": ["train.json", "small.json"], "settings": {"channels": 7}, "phantom": True}
    (root / "models" / "model.json").write_text(json.dumps(record))
    return root
