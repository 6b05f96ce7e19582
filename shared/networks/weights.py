"""ImageNet weights for a backbone: by URL with a hash check, or from a file; strictly, and never silently random.

Source of the files: torchvision's table of ``IMAGENET1K_V1`` weights (BSD-3); the file name ends in the first digits of
its SHA-256.
"""

from __future__ import annotations

import logging
import pickle
import socket
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from shared.choices import nearest
from shared.errors import CheckpointError

AUTO, IMAGENET, SCRATCH = "auto", "imagenet", "scratch"
BASE_URL = "https://download.pytorch.org/models/"
IMAGENET_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
}
CLASSIFIERS = {"resnet": ("fc",), "vgg": ("classifier.0", "classifier.3", "classifier.6")}
COLOURS = 3
WAYS_OUT = "give a file with `--pretrained /path/to/{file}`, or train from scratch with `--pretrained scratch`"
CONNECT_TIMEOUT_S = 30.0

logger = logging.getLogger(__name__)

Backbone = TypeVar("Backbone", bound=nn.Module)


def resolve_pretrained(choice: str, phantoms: bool) -> str:
    """Decide where the backbone starts, and say so in the log.

    Args:
        choice: ``"auto"`` (ImageNet for real data, from scratch for phantoms), ``"imagenet"``, ``"scratch"``, or the
            path of a file.
        phantoms: whether the data are drawn rather than real.

    Returns:
        ``"imagenet"``, ``"scratch"`` or the path.

    Raises:
        CheckpointError: if it is neither a known word nor an existing file.
    """
    source = choice
    if choice == AUTO:
        source = SCRATCH if phantoms else IMAGENET
    elif choice not in (IMAGENET, SCRATCH):
        _check_file(choice)
    reason = f" (pretrained=auto, {'phantoms' if phantoms else 'real data'})" if choice == AUTO else ""
    logger.info("backbone starts from %s%s", "random weights" if source == SCRATCH else source, reason)
    return source


def load_imagenet(
    backbone: Backbone,
    source: str = IMAGENET,
    *,
    base_url: str = BASE_URL,
    cache_dir: str | None = None,
    progress: bool = True,
) -> Backbone:
    """Load ImageNet weights into a backbone, in place.

    The file must hold exactly the backbone's keys and shapes, besides the classifier, which is dropped. Files from
    before 2018 have no ``num_batches_tracked`` counters, which nothing here reads: those may be missing. A backbone
    that reads another number of channels than three names its ``first_convolution``, whose weights are adapted; see
    `adapt_channels`.

    Args:
        backbone: the network to fill; has the architecture's ``name``.
        source: ``"imagenet"`` (download once, hash checked), ``"scratch"`` (leave as it is), or the path of a file.
        base_url: where the official files lie.
        cache_dir: where the download is kept; by default torch.hub's checkpoint folder.
        progress: show a progress bar while downloading.

    Returns:
        the same backbone.

    Raises:
        CheckpointError: if the weights cannot be had, read or fitted.
    """
    name = str(backbone.name)
    if source == SCRATCH:
        logger.info("%s: random weights, as asked for by pretrained=scratch", name)
        return backbone
    if name not in IMAGENET_FILES:
        raise CheckpointError(
            f"there are no ImageNet weights of {name}",
            expected=f"one of {', '.join(IMAGENET_FILES)}",
            fix="train from scratch with `--pretrained scratch`, or set another `backbone`",
        )
    if source == IMAGENET:
        origin, state = _download(name, base_url, cache_dir, progress)
    else:
        origin, state = source, _read(_check_file(source), name)
    state = _fit(state, backbone, origin)
    backbone.load_state_dict(state, strict=not _uncounted(backbone, state))
    logger.info("%s: ImageNet weights from %s", name, origin)
    return backbone


def adapt_channels(weight_O3HW: Tensor, channels: int) -> Tensor:
    """Weights [O,C,H,W] of a first convolution for C grey channels in place of three colours.

    Each channel gets a C-th of the sum over the colours: one grey channel, or C equal ones, give exactly what the
    three-colour convolution gives for that grey picture.
    """
    return weight_O3HW.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1) / channels


def _check_file(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_file():
        near = nearest(source, (AUTO, IMAGENET, SCRATCH))
        raise CheckpointError(
            f"pretrained is {source!r}, and there is no such file",
            expected=f"{AUTO!r}, {IMAGENET!r}, {SCRATCH!r} or the path of a file",
            fix=f"did you mean `--pretrained {near}`?" if near else WAYS_OUT.format(file="file.pth"),
        )
    return path


def _download(name: str, base_url: str, cache_dir: str | None, progress: bool) -> tuple[str, Any]:
    file = IMAGENET_FILES[name]
    url = f"{base_url.rstrip('/')}/{file}"
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT_S)
    try:
        return url, torch.hub.load_state_dict_from_url(
            url, model_dir=cache_dir, map_location="cpu", progress=progress, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"the ImageNet weights of {name} could not be had from {url}: {error}",
            expected=f"a download of {file} with the SHA-256 that its name tells, or the same file from an earlier one "
            f"in {cache_dir or Path(torch.hub.get_dir()) / 'checkpoints'}",
            fix=WAYS_OUT.format(file=file),
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _read(path: Path, name: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights: {reason}",
            expected=f"a file of tensors only, as torch.save(network.state_dict(), path) writes, such as "
            f"{IMAGENET_FILES[name]}",
            fix=WAYS_OUT.format(file=IMAGENET_FILES[name]),
        ) from error


def _uncounted(backbone: nn.Module, state: dict[str, Tensor]) -> set[str]:
    return {key for key in backbone.state_dict() if key.endswith("num_batches_tracked") and key not in state}


def _fit(state: Any, backbone: nn.Module, origin: str) -> dict[str, Tensor]:
    """Check keys and shapes against the backbone, adapt the first convolution, and drop the classifier."""
    name, wanted = str(backbone.name), backbone.state_dict()
    layers = next(layers for kind, layers in CLASSIFIERS.items() if name.startswith(kind))
    classifier = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    expected = f"the {len(wanted) + len(classifier)} keys of torchvision's {name}"
    fix = f"use a file of {name}, or set `backbone` to the architecture of this one"
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        keys = f" with keys {sorted(map(str, state))[:5]}" if isinstance(state, dict) else ""
        raise CheckpointError(
            f"{origin} holds no state dict but a {type(state).__name__}{keys}", expected=expected, fix=fix
        )
    first = str(getattr(backbone, "first_convolution", ""))
    if first in state and state[first].dim() == 4 and state[first].shape[1] == COLOURS:
        state = state | {first: adapt_channels(state[first], wanted[first].shape[1])}
    missing = sorted(set(wanted) - set(state) - _uncounted(backbone, state))
    extra = sorted(set(state) - set(wanted) - classifier)
    shapes = [
        f"{key} {list(state[key].shape)}, not {list(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(names)} keys {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for what, names in (("missing", missing), ("too many", extra), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(f"{origin} does not fit {name}: {'; '.join(problems)}", expected=expected, fix=fix)
    return {key: value for key, value in state.items() if key in wanted}
