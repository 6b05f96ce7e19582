"""Training on saved labels: the bundle's own `train.json` with its overlay `label.json`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from monailabel.interfaces.tasks.train import TrainTask

from shared.errors import ConfigError, DataError, EyeBundlesError
from shared.handlers.load import read_facts
from shared.label.labelled import Labelled, write_labelled
from shared.workflow import new_run_name
from shared.workflow.enter import use_scripts_of
from shared.workflow.errors import root_cause

log = logging.getLogger(__name__)

FINAL = "final"
OVERLAY = "label.json"
DEFAULTS: dict[str, Any] = {"max_epochs": 10, "val_split": 0.2}
# Keys of every train.json that a request may set.
KEYS = ("max_epochs", "batch_size", "batches_per_epoch", "learning_rate", "num_workers", "device", "seed")


class EyeTrainTask(TrainTask):
    """Goes on from the model that is served, with the labels saved under the tag ``final``, and publishes the best
    epoch's weights in its place (the earlier ones are kept in `models/previous`).

    A label that was saved with another model's name in its ``params`` is left out. Images without a label are what
    semi-supervised bundles call unlabelled.

    Args:
        root: the bundle's folder.
        runs: where the folders of runs go.
    """

    def __init__(self, root: Path, *, runs: Path) -> None:
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        super().__init__(metadata["description"])
        self.root, self.runs = root, runs

    def config(self) -> dict[str, Any]:
        return dict(DEFAULTS)

    def stats(self) -> dict[str, Any]:
        """What is recorded about the weights that are served."""
        facts = read_facts(self.root / "models" / "model.pt")
        return {key: facts[key] for key in ("date", "dataset", "epoch", "score", "selected_by") if key in facts}

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any]:
        """Train.

        Args:
            request: keys of `KEYS` and ``val_split``, the share of labels that is validated on.

        Raises:
            DataError: fewer than two labels, or labels that do not fit their images.
        """
        if not (self.root / "configs" / OVERLAY).is_file():
            raise ConfigError(
                f"{self.root.name} has no configs/{OVERLAY}",
                expected="an overlay that makes a data list of saved labels",
                fix="train it as its README says, outside the server",
            )
        folder = self.runs / self.root.name / new_run_name()
        folder.mkdir(parents=True)
        write_labelled(folder / "labelled.json", labelled_of(datastore, self.root.name))
        values = DEFAULTS | request
        keys = {key: values[key] for key in KEYS if key in values}
        keys |= {"validation_fraction": float(values["val_split"]), "seed": int(values.get("seed", 0))}
        places = {
            "labels_file": str(folder / "labelled.json"),
            "output_dir": str(folder),
            "dataset_dir": datastore._datastore_path,
        }
        files = [str(self.root / "configs" / name) for name in ("train.json", OVERLAY)]
        use_scripts_of(str(self.root))
        workflow = ConfigWorkflow(files, workflow_type="train", logging_file=False, **keys, **places)
        try:
            workflow.initialize()
            workflow.run()
            workflow.finalize()
        except Exception as error:
            cause = root_cause(error)
            if isinstance(cause, EyeBundlesError) and cause is not error:
                raise cause from None
            raise
        log.info("training of %s is done: %s", self.root.name, self.stats())
        return {"run": str(folder)} | self.stats()


def labelled_of(datastore: Any, model: str) -> list[Labelled]:
    """All images; those with a label of this model, or of one that is not said, have it.

    Raises:
        DataError: an image's file is gone.
    """
    items = []
    for name in sorted(datastore.list_images()):
        image = Path(datastore.get_image_uri(name))
        if not image.is_file():
            raise DataError(f"{image} is gone", expected="the image of the datastore", fix="POST /datastore/ it again")
        label = datastore.get_label_uri(name, FINAL)
        info = dict(datastore.get_label_info(name, FINAL))
        of_another = info.get("model", model) != model
        items.append(Labelled(name, image, None if of_another or not label else Path(label), info))
    return items
