"""Views through a network: in one forward pass, or in one for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

TOGETHER, APART = "together", "apart"


class NetworkPasses:
    """Sends views through a network.

    ``"together"`` makes one batch of all views: faster, and BatchNorm's statistics are those of labelled and unlabelled
    images in one. ``"apart"`` (published) gives each view a forward pass and statistics of its own.

    Args:
        network: [B,C,H,W] -> [B,K,H,W].
        inferer: called with ``(views, network)``; decides the precision.
        passes: ``"together"`` or ``"apart"``.
        gradients: whether the passes are differentiated.

    Raises:
        ConfigError: for another word.
    """

    def __init__(
        self, network: nn.Module, *, inferer: Callable[..., Tensor], passes: str = TOGETHER, gradients: bool = True
    ) -> None:
        self.network, self.inferer, self.passes, self.gradients = network, inferer, check_passes(passes), gradients

    def __call__(self, *views_BCHW: Tensor, perturbed: int | None = None) -> list[Tensor]:
        """Logits of each view, float32; with ``perturbed`` those of that view's second decoding appended."""
        with contextlib.nullcontext() if self.gradients else torch.no_grad():
            return (
                self._together(views_BCHW, perturbed) if self.passes == TOGETHER else self._apart(views_BCHW, perturbed)
            )

    def _together(self, views: tuple[Tensor, ...], perturbed: int | None) -> list[Tensor]:
        sizes = [len(view) for view in views]
        if not sum(sizes):
            return [nothing(view) for view in views]
        chosen_P = None
        if perturbed is not None:
            sizes.append(sizes[perturbed])
            start = sum(sizes[:perturbed])
            if sizes[-1]:
                chosen_P = torch.arange(start, start + sizes[-1], device=views[0].device)
        joint = torch.cat(views) if len(views) > 1 else views[0]
        return list(self._forward(joint, chosen_P).split(sizes))

    def _apart(self, views: tuple[Tensor, ...], perturbed: int | None) -> list[Tensor]:
        found: list[Tensor | None] = []
        extra: list[Tensor | None] = [None]
        for index, view in enumerate(views):
            if not len(view):
                found.append(None)
            elif index == perturbed:
                both = self._forward(view, torch.arange(len(view), device=view.device))
                found.append(both[: len(view)])
                extra = [both[len(view) :]]
            else:
                found.append(self._forward(view, None))
        if perturbed is not None:
            found += extra
        some = next((logits for logits in found if logits is not None), nothing(views[0]))
        return [some[:0] if logits is None else logits for logits in found]

    def _forward(self, view: Tensor, perturbed_P: Tensor | None) -> Tensor:
        view = view.contiguous(memory_format=torch.channels_last)
        if perturbed_P is None:
            return self.inferer(view, self.network)
        return self.inferer(view, self.network, perturbed_P=perturbed_P)


def nothing(view_BCHW: Tensor) -> Tensor:
    """Logits of no image, where no network has told the number of classes."""
    return view_BCHW.new_zeros(0, 1, *view_BCHW.shape[2:])


def check_passes(passes: str) -> str:
    """Return ``passes`` if there is such a way, else raise `ConfigError`."""
    if passes not in (TOGETHER, APART):
        raise ConfigError(f"passes is {passes!r}", expected=f"{TOGETHER!r} or {APART!r}", fix="correct `passes`")
    return passes
