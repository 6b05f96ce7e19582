"""The weights of a federation as a `model.pt` that evaluation and inference take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from torch import Tensor

from shared.federated.average import State
from shared.federated.site import configuration_files
from shared.files import save_tensors
from shared.handlers.load import load_weights
from shared.report.files import write_json
from shared.workflow.enter import use_scripts_of
from shared.workflow.record import provenance
from shared.workflow.settings import model_settings

# What `network` asks of the data; the server of a federation has none.
WITHOUT_DATA = {"is_phantom": False, "pretrained": "scratch"}
NAMED = ("backbone", "num_experts", "image_size")


class ServerWorkflow(ConfigWorkflow):
    """The configuration of a federation where there are no images.

    Args:
        bundle: its folder.
        overlays, keys: as of `Site`.
    """

    def __init__(self, bundle: Path, *, overlays: Sequence[str], keys: Mapping[str, Any]) -> None:
        files = configuration_files(bundle, overlays)
        use_scripts_of(str(bundle))
        accepted = {key: value for key, value in keys.items() if key not in ("dataset_dir", "phantoms")}
        super().__init__(
            [str(file) for file in files],
            logging_file=False,
            workflow_type="train",
            **(accepted | WITHOUT_DATA),
        )
        self.files = files

    def exchanged(self) -> Any:
        """The module whose state dict sites exchange."""
        resolved: Any = self.parser.get_parsed_content("train#trainer#network")
        return resolved

    def start(self) -> State:
        """The weights that an untrained network of this configuration has."""
        return {name: value.clone() for name, value in self.exchanged().state_dict().items()}

    def published(self, weights: Mapping[str, Tensor], *, source: str) -> tuple[State, dict[str, Any]]:
        """Of exchanged weights those that are deployed, and the settings that give them their meaning.

        Raises:
            CheckpointError: they are of another network.
        """
        load_weights(self.exchanged(), dict(weights), source=source)
        network: Any = self.parser.get_parsed_content("published")
        state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        settings = model_settings()
        facts = {name: settings[name] for name in NAMED if name in settings}
        bundle_root: Any = self.parser.get_parsed_content("bundle_root")
        about = provenance(bundle_root=bundle_root, tasks=self.parser.get("tasks", ()))
        return state, about | facts | {
            "settings": settings,
            "config_files": [file.name for file in self.files if file.stem != "federated"],
        }


def write_model(
    folder: Path, workflow: ServerWorkflow, weights: Mapping[str, Tensor], *, about: Mapping[str, Any], source: str
) -> Path:
    """Write `model.pt` and, beside it, `model.json` with what is known of the weights.

    Args:
        folder: where to.
        workflow: of the server.
        weights: as they are exchanged.
        about: of the federation: dataset, phantom, sites, rounds, ...
        source: of the weights, for messages.
    """
    state, facts = workflow.published(weights, source=source)
    path = save_tensors(folder / "model.pt", state)
    write_json(path.with_suffix(".json"), facts | dict(about))
    return path
