"""Weights of a run at each epoch, and a few of its images: what surfaces are made of afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ignite.engine import Engine, Events
from monai.data import list_data_collate
from torch import Tensor, nn

from shared.data.even import even_order
from shared.errors import DataError
from shared.files import save_tensors
from shared.handlers.load import read_tensors
from shared.observatory.one_mask import MaskPlace, find_mask
from shared.workflow.processes import is_main_process

FOLDER, IMAGES, MASK = "snapshots", "images.pt", "mask"
OVERLAY = (
    '{"+train#handlers": [{"_target_": "shared.observatory.SnapshotSaver", "network": "@network", '
    '"dataset": "@train#dataset", "output_dir": "@output_dir"}]}'
)
SET = f"write {OVERLAY} to a file snapshots.json beside train.json, give both as --config_file, and train"


class Snapshot(NamedTuple):
    """A network's state dict after an epoch; 0 is before training."""

    epoch: int
    state: Mapping[str, Tensor]


class SnapshotSaver:
    """Saves the network's state before training and after epochs, and some images with labels, for the observatory.

    Writes ``<output_dir>/snapshots/epoch_00012.pt`` and ``images.pt``. A run that starts afresh in an old folder
    removes that run's later snapshots. Put it after `RunCheckpoint`, so that a run that goes on counts on.

    Args:
        network: whose parameters and buffers are saved.
        dataset: items with ``image`` and ``label`` (items with a false ``labelled`` are left out), as trained on.
        output_dir: the run's folder.
        interval: epochs between snapshots.
        num_images: how many images are saved, evenly from the dataset.
        mask: of a network of several tasks: name of the mask task to look at. Items then have ``masks`` [S,H,W] and
            ``labelled`` [T] in place of ``label``; pixels that training does not count are background here.
        tasks: of such a network, with ``name`` and ``kind``.

    Raises:
        ConfigError: no such mask task.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        dataset: Sequence[Mapping[str, Any]],
        output_dir: str | Path,
        interval: int = 1,
        num_images: int = 16,
        mask: str = "",
        tasks: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.network, self.dataset, self.folder = network, dataset, Path(output_dir) / FOLDER
        self.interval, self.num_images = interval, num_images
        self.place = find_mask(mask, tasks) if mask else None

    def attach(self, engine: Engine) -> None:
        """Save at the start and after every `interval` epochs."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self.save)

    def start(self, engine: Engine) -> None:
        """Save images and the weights training starts from."""
        if not is_main_process():
            return
        for epoch, file in snapshot_files(self.folder).items():
            if epoch > engine.state.epoch:
                file.unlink()
        save_tensors(self.folder / IMAGES, some_images(self.dataset, count=self.num_images, place=self.place))
        # Within an epoch the weights are no longer those of its number.
        if not engine.state.iteration % (engine.state.epoch_length or 1):
            self.save(engine)

    def save(self, engine: Engine) -> None:
        """Save now; one process of several does."""
        if is_main_process():
            module = (
                self.network.module if isinstance(self.network, nn.parallel.DistributedDataParallel) else self.network
            )
            state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
            save_tensors(self.folder / f"epoch_{engine.state.epoch:05d}.pt", state)


def some_images(
    dataset: Sequence[Mapping[str, Any]], *, count: int, place: MaskPlace | None = None
) -> dict[str, Tensor]:
    """``image`` [N,C,H,W] and ``label`` [N,1,H,W] of labelled items, spread evenly over the dataset.

    Of one mask of several (``place``) also its channel, as ``mask`` [1].

    Raises:
        DataError: no item has both.
    """
    items: list[dict[str, Tensor]] = []
    for position in even_order(len(dataset), count):
        if len(items) == count:
            break
        item = dataset[position] if place is None else _of_one_mask(dataset[position], place)
        if "label" in item and bool(item.get("labelled", True)):
            items.append({key: torch.as_tensor(item[key]).as_subclass(Tensor) for key in ("image", "label")})
    if not items:
        raise DataError(
            "no item of the dataset has an `image` and a `label`"
            if place is None
            else "no item of the dataset has an `image` and the mask",
            expected="a segmentation data set",
            fix="give the training data set to SnapshotSaver; of a network of several tasks also the name of one "
            '`mask` and "tasks": "@tasks"',
        )
    found = {key: value.as_subclass(Tensor) for key, value in list_data_collate(items).items()}
    return found if place is None else found | {MASK: torch.tensor([place.channel])}


def _of_one_mask(item: Mapping[str, Any], place: MaskPlace) -> dict[str, Any]:
    if "masks" not in item:
        return {}
    label_1HW = torch.as_tensor(item["masks"])[place.channel : place.channel + 1]
    labelled = torch.as_tensor(item.get("labelled", True)).reshape(-1)
    return {
        "image": item["image"],
        "label": label_1HW,
        "labelled": labelled[place.task] if len(labelled) > 1 else labelled[0],
    }


def snapshot_files(folder: Path) -> dict[int, Path]:
    """Snapshots by epoch, in order."""
    return {int(file.stem.removeprefix("epoch_")): file for file in sorted(folder.glob("epoch_*.pt"))}


def load_snapshots(run: str | Path) -> list[Snapshot]:
    """All snapshots of a run's folder, in order.

    Raises:
        DataError: it has none, with the key to set: `train#handlers`.
    """
    files = snapshot_files(Path(run) / FOLDER)
    if not files:
        raise DataError(f"{run} has no snapshots", expected=f"a folder {FOLDER} with epoch_*.pt", fix=SET)
    return [Snapshot(epoch, read_tensors(file)) for epoch, file in files.items()]


def mask_channel(run: str | Path) -> int | None:
    """The mask of several that a run's images were saved with; ``None`` for a network of one class map."""
    saved = read_tensors(Path(run) / FOLDER / IMAGES).get(MASK)
    return None if saved is None else int(saved[0])


def load_images(run: str | Path, *, batch_size: int, device: torch.device | str = "cpu") -> list[tuple[Tensor, Tensor]]:
    """The images that a run saved beside its snapshots, in batches.

    Raises:
        DataError: it saved none.
    """
    file = Path(run) / FOLDER / IMAGES
    if not file.is_file():
        raise DataError(f"{run} has no {FOLDER}/{IMAGES}", expected="images saved beside the snapshots", fix=SET)
    content = {name: value.to(device) for name, value in read_tensors(file).items()}
    return list(zip(content["image"].split(batch_size), content["label"].split(batch_size), strict=True))
