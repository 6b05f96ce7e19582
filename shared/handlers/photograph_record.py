"""What becomes of every photograph while a network is trained: a row per epoch and photograph."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from shared.data.even import even_order
from shared.errors import ConfigError, DataError
from shared.files import check_writable, write_text
from shared.metrics.photograph import measure_names, photograph_measures
from shared.networks.modes import evaluating
from shared.report.files import plain
from shared.workflow.processes import is_main_process

FILE = "per_epoch.csv"
FIRST = ("epoch", "part", "name")


class RecordPhotographs:
    """Measures every photograph of some data sets before training and after epochs: ``<output_dir>/per_epoch.csv``.

    A row has ``epoch`` (0 is before training), ``part`` (the data set's name), ``name`` and `photograph_measures`, of
    the network in evaluation mode, at the size that it gives. Training is the same with and without. Rows are added as
    they come. A run that goes on continues the file: rows of later epochs than its checkpoint's, and one that was cut
    off, are dropped, and those of the checkpoint's epoch made up for if they are missing. Put it after `RunCheckpoint`.

    Args:
        network: images [B,C,H,W] -> logits [B,K,H,W].
        datasets: by part, items with ``image`` [C,H,W], ``label`` [1,H,W] and ``name``; those with a false ``labelled``
            are left out. Not augmented, if epochs are to be compared: ``@validate#preprocessing``.
        classes: names of classes 1..K-1.
        output_dir: the run's folder.
        interval: epochs between measurements.
        num_images: of each part at most, evenly from it; 0 for all.
        batch_size: photographs at a time.

    Raises:
        ConfigError: no data set, or counts that cannot be.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        datasets: Mapping[str, Sequence[Mapping[str, Any]]],
        classes: Sequence[str],
        output_dir: str | Path,
        interval: int = 1,
        num_images: int = 0,
        batch_size: int = 8,
    ) -> None:
        if not datasets or interval < 1 or num_images < 0 or batch_size < 1:
            raise ConfigError(
                f"{len(datasets)} data sets, interval {interval}, num_images {num_images}, batch_size {batch_size}",
                expected="at least one data set, whole numbers from 1 on (num_images: from 0)",
                fix="correct the arguments of RecordPhotographs",
            )
        self.network, self.datasets, self.classes = network, dict(datasets), list(classes)
        self.path, self.interval = Path(output_dir) / FILE, interval
        self.num_images, self.batch_size = num_images, batch_size
        self.places: dict[str, list[int]] = {}
        self.columns = [*FIRST, *measure_names(self.classes)]

    def attach(self, engine: Engine) -> None:
        """Measure at the start and after every `interval` epochs."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self.record)

    def start(self, engine: Engine) -> None:
        """Keep the rows before the epoch that the run goes on from, and measure that one anew if it is complete."""
        if not is_main_process():
            return
        check_writable(self.path.parent)
        epoch, within = engine.state.epoch, engine.state.iteration % (engine.state.epoch_length or 1)
        due = not within and epoch % self.interval == 0
        kept = rows_until(self.path, epoch - due, columns=self.columns) if epoch else []
        write_text(self.path, as_csv([self.columns, *kept]))
        if due:
            self.record(engine)

    def record(self, engine: Engine) -> None:
        """Measure now; one process of several does.

        Raises:
            DataError: a data set has no labelled photograph.
        """
        if not is_main_process():
            return
        rows = [
            {"epoch": engine.state.epoch, "part": part, "name": name} | measures
            for part in self.datasets
            for name, measures in self._measured(part)
        ]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(as_csv([[plain(row[column]) for column in self.columns] for row in rows]))

    @torch.no_grad()
    def _measured(self, part: str) -> Iterator[tuple[str, dict[str, float]]]:
        device = next(iter(self.network.parameters())).device
        items = self._items(part)
        with evaluating(self.network):
            while batch := list(itertools.islice(items, self.batch_size)):
                images, labels = (
                    torch.stack([torch.as_tensor(item[key]).as_subclass(Tensor) for item in batch]).to(device)
                    for key in ("image", "label")
                )
                scores_BKHW = self.network(images).float().softmax(1)
                for item, scores_KHW, label_1HW in zip(batch, scores_BKHW, labels, strict=True):
                    yield str(item["name"]), photograph_measures(scores_KHW, label_1HW[0], classes=self.classes)

    def _items(self, part: str) -> Iterator[Mapping[str, Any]]:
        """Labelled items; which they are is found out once."""
        dataset = self.datasets[part]
        if part in self.places:
            yield from (dataset[place] for place in self.places[part])
            return
        found: list[int] = []
        for place in even_order(len(dataset), self.num_images):
            item = dataset[place]
            if "label" in item and bool(item.get("labelled", True)):
                found.append(place)
                yield item
            if len(found) == self.num_images:
                break
        if not found:
            raise DataError(
                f"no photograph of the data set {part!r} has a label",
                expected="items with `image`, `label` and `name`",
                fix=f"leave {part!r} out of the `datasets` of RecordPhotographs, or give labelled items",
            )
        self.places[part] = found


def rows_until(path: Path, epoch: int, *, columns: Sequence[str]) -> list[list[str]]:
    """Complete rows of epochs up to this one; none where the file has other columns."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        head, *lines = list(csv.reader(file)) or [[]]
    if head != list(columns):
        return []
    return [line for line in lines if len(line) == len(columns) and int(line[0]) <= epoch]


def as_csv(lines: Iterable[Sequence[Any]]) -> str:
    """Text of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
