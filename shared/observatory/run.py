"""A finished training run: its network, snapshots and images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn

import shared
from shared.errors import ConfigError, DataError
from shared.handlers.load import load_weights
from shared.observatory.one_mask import PRED, MaskAsClasses
from shared.observatory.plane import Weights
from shared.observatory.snapshots import FOLDER, Snapshot, load_images, load_snapshots, mask_channel
from shared.workflow.enter import use_scripts_of

REPOSITORY = Path(shared.__file__).resolve().parents[1]


class Run(NamedTuple):
    """What the observatory looks at; ``network`` holds the last snapshot, in evaluation mode; ``phantom``: what it was
    trained on was drawn; ``config``: as executed."""

    folder: Path
    network: nn.Module
    snapshots: Sequence[Snapshot]
    batches: Sequence[tuple[Tensor, Tensor]]
    num_classes: int
    phantom: bool = False
    config: Mapping[str, Any] = {}

    def weights(self, snapshot: Snapshot) -> Weights:
        """The parameters of a snapshot, on the network's device."""
        own = dict(self.network.named_parameters())
        return {name: snapshot.state[name].to(value) for name, value in own.items() if value.is_floating_point()}

    def show(self, snapshot: Snapshot) -> nn.Module:
        """The network with a snapshot's weights and buffers."""
        load_weights(self.network, snapshot.state, source=self.folder / FOLDER)
        return self.network


def find_bundle_of(folder: str | Path) -> Path:
    """The bundle that wrote a run, by the name in its `run.json`: in the repository, or the one that holds `shared`.

    Raises:
        ConfigError: there is none.
    """
    name = str(facts_of(folder).get("bundle", ""))
    for root in (REPOSITORY / "bundles" / name, REPOSITORY):
        if name and (root / "configs" / "metadata.json").is_file():
            return root
    raise ConfigError(
        f"the bundle {name or 'of unknown name'} that wrote {folder} is not in {REPOSITORY / 'bundles'}",
        expected="the bundle whose own scripts define the network",
        fix="look at the run with the repository, or the packaged bundle, that trained it",
    )


def facts_of(folder: str | Path) -> dict[str, Any]:
    """The run's `run.json`; empty where none was written."""
    file = Path(folder) / "run.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def open_run(folder: str | Path, *, batch_size: int = 8, device: torch.device | str | None = None) -> Run:
    """Read a run's network from its recorded configuration, and its snapshots and images.

    Args:
        folder: of a training run with `SnapshotSaver` among its handlers.
        batch_size: images at a time.
        device: default: the GPU, if there is one.

    Raises:
        DataError: the folder has no configuration, snapshots or images.
        ConfigError: the network's output is neither one class map nor, with a mask chosen, mask logits; or the bundle
            whose scripts define it is not here.
    """
    folder = Path(folder)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    config = folder / "config.json"
    if not config.is_file():
        raise DataError(f"no {config}", expected="the folder of a training run", fix="give the run's output_dir")
    snapshots = load_snapshots(folder)
    batches = load_images(folder, batch_size=batch_size, device=device)
    content = json.loads(config.read_text())
    if '"scripts.' in json.dumps(content.get("network_def")):
        use_scripts_of(str(find_bundle_of(folder)))
    network = ConfigParser(content).get_parsed_content("network_def").to(device).eval()
    channel = mask_channel(folder)
    if channel is not None:
        network = MaskAsClasses(network, channel=channel).eval()
        snapshots = [
            Snapshot(epoch, {f"network.{name}": value for name, value in state.items()}) for epoch, state in snapshots
        ]
    phantom = bool(facts_of(folder).get("phantom"))
    run = Run(folder, network, snapshots, batches, 0, phantom=phantom, config=content)
    run.show(snapshots[-1])
    with torch.no_grad():
        output = network(batches[0][0])
    if not isinstance(output, Tensor) or output.dim() != 4 or output.shape[1] < 2:
        kind = f"{list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        if isinstance(output, Mapping):
            kind += f" of {', '.join(map(str, output))}"
        raise ConfigError(
            f"the network of {folder} returns {kind}",
            expected="logits [B,K,H,W] of two or more classes, which these losses take",
            fix=f"of a network with mask logits `{PRED}` among several outputs train with the name of one `mask` and "
            '"tasks": "@tasks" given to SnapshotSaver; for other outputs call shared.observatory.compute_surface with '
            "a loss of your own",
        )
    return run._replace(num_classes=output.shape[1])
