"""From volumes to B-scans: items of a data list, and batches that do not mix volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from torch.utils.data import Sampler

from shared.errors import ConfigError

KEPT = ("vendor", "patient", "image", "num_slices", "physical")


def slice_items(volumes: Sequence[Mapping[str, Any]], *, labelled: bool = True) -> list[dict[str, Any]]:
    """An item for every B-scan of every volume, in order.

    Args:
        volumes: items with ``name``, ``image`` and ``num_slices``; ``label`` is the reference's path, or "".
        labelled: False: their labels are not read. A volume without a reference is unlabelled in any case.

    Returns:
        items with ``name`` ("<volume>/017"), ``volume``, ``slice`` (from 0), ``labelled``, ``label`` ("" where not
        labelled), and what the volume has of `KEPT`.
    """
    items = []
    for volume in volumes:
        label = str(volume.get("label", "")) if labelled else ""
        kept = {key: volume[key] for key in KEPT if key in volume}
        for number in range(int(volume["num_slices"])):
            own = {
                "name": f"{volume['name']}/{number:03d}",
                "volume": volume["name"],
                "slice": number,
                "label": label,
                "labelled": bool(label),
            }
            items.append(kept | own)
    return items


def training_slices(datalist: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The B-scans of a data list's ``labelled`` volumes, then those of its ``unlabelled`` ones, without labels."""
    return slice_items(datalist["labelled"]) + slice_items(datalist.get("unlabelled", []), labelled=False)


def labelled_flags(items: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which items are labelled."""
    return [bool(item["labelled"]) for item in items]


class VolumeBatchSampler(Sampler[list[int]]):
    """Batches of B-scans in order, never of two volumes: sizes are equal within a batch, and writers see one volume end
    before the next begins.

    Args:
        data: items of `slice_items`.
        batch_size: B-scans per batch; a volume's last batch may be smaller.
        rank, world_size: this process and how many there are; each takes every ``world_size``-th volume, whole.
    """

    def __init__(
        self, data: Sequence[Mapping[str, Any]], *, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", expected="at least 1", fix="for example --batch_size 4")
        self.batches: list[list[int]] = []
        for number, (_, members) in enumerate(groupby(range(len(data)), key=lambda place: data[place]["volume"])):
            if number % world_size != rank:
                continue
            places = list(members)
            self.batches += [places[start : start + batch_size] for start in range(0, len(places), batch_size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
