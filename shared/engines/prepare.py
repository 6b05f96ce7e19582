"""From a collated batch to the network's input, its labels and what it has to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.utils import convert_to_tensor
from torch import Tensor

LABELS = ("masks", "grades", "labelled")


class PrepareMultiTaskBatch(PrepareBatch):
    """Moves a batch to the device and asks the network for the labelled tasks alone.

    Args:
        labelled_only: pass ``needed_BT=labelled`` to the network, so that no decoder runs for a photograph without
            masks; False computes every task for every photograph (evaluation, inference).
    """

    def __init__(self, *, labelled_only: bool = True) -> None:
        self.labelled_only = labelled_only

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], tuple[()], dict[str, Tensor]]:
        """Image [B,3,H,W], labels (`masks`, `grades`, `labelled`, those present), no arguments, keyword arguments."""
        tensors = {
            key: convert_to_tensor(batchdata[key], track_meta=False).to(device=device, non_blocking=non_blocking)
            for key in ("image", *LABELS)
            if key in batchdata
        }
        image = tensors.pop("image").to(**kwargs) if kwargs else tensors.pop("image")
        labels = tensors
        needed = {"needed_BT": labels["labelled"].bool()} if self.labelled_only else {}
        return image, labels, (), needed


class PrepareLabels(PrepareBatch):
    """Moves images and those of the named labels that a batch has to the device.

    Args:
        labels: keys of the labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Image [B,C,H,W] and labels by key."""
        tensors = {
            key: convert_to_tensor(batchdata[key], track_meta=False).to(device=device, non_blocking=non_blocking)
            for key in ("image", *self.labels)
            if key in batchdata
        }
        image = tensors.pop("image")
        return image.to(**kwargs) if kwargs else image, tensors


class PrepareScanBatch(PrepareBatch):
    """Moves a batch of B-scans to the device: images, and where they have them their labels."""

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], tuple[()], dict[str, Any]]:
        """Image [B,C,H,W]; ``label`` [B,1,H,W] where given and ``labelled`` [B] bool (all, where nothing is said); no
        arguments."""
        tensors = {
            key: convert_to_tensor(batchdata[key], track_meta=False).to(device=device, non_blocking=non_blocking)
            for key in ("image", "label", "labelled")
            if key in batchdata
        }
        image = tensors.pop("image").to(**kwargs) if kwargs else tensors.pop("image")
        everyone = torch.ones(len(image), dtype=torch.bool, device=image.device)
        return image, tensors | {"labelled": tensors.get("labelled", everyone).bool().flatten()}, (), {}
