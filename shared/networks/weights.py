"""ImageNet weights for a backbone: by URL with a hash check, or from a file; strictly, and never silently random.

Source of the files: torchvision's table of ``IMAGENET1K_V1`` weights (BSD-3); the file name ends in the first digits of
its SHA-256.
"""

from __future__ import annotations

import difflib
import logging
import pickle
import socket
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.errors import CheckpointError
from shared.networks.resnet import DilatedResNet

AUTO, IMAGENET, SCRATCH = "auto", "imagenet", "scratch"
BASE_URL = "https://download.pytorch.org/models/"
IMAGENET_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
}
CLASSIFIER_KEYS = {"fc.weight", "fc.bias"}
WAYS_OUT = "give a file with `--pretrained /path/to/{file}`, or train from scratch with `--pretrained scratch`"
CONNECT_TIMEOUT_S = 30.0

logger = logging.getLogger(__name__)


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
    backbone: DilatedResNet,
    source: str = IMAGENET,
    *,
    base_url: str = BASE_URL,
    cache_dir: str | None = None,
    progress: bool = True,
) -> DilatedResNet:
    """Load ImageNet weights into a backbone, in place.

    The file must hold exactly the backbone's keys and shapes, besides the classifier ``fc``, which is dropped. Files
    from before 2018 have no ``num_batches_tracked`` counters, which nothing here reads: those may be missing.

    Args:
        backbone: the network to fill.
        source: ``"imagenet"`` (download once, hash checked), ``"scratch"`` (leave as it is), or the path of a file.
        base_url: where the official files lie.
        cache_dir: where the download is kept; by default torch.hub's checkpoint folder.
        progress: show a progress bar while downloading.

    Returns:
        the same backbone.

    Raises:
        CheckpointError: if the weights cannot be had, read or fitted.
    """
    if source == SCRATCH:
        logger.info("%s: random weights, as asked for by pretrained=scratch", backbone.name)
        return backbone
    if source == IMAGENET:
        origin, state = _download(backbone.name, base_url, cache_dir, progress)
    else:
        origin, state = source, _read(_check_file(source), backbone.name)
    state = _fit(state, backbone, origin)
    backbone.load_state_dict(state, strict=not _uncounted(backbone, state))
    logger.info("%s: ImageNet weights from %s", backbone.name, origin)
    return backbone


def _check_file(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(source, (AUTO, IMAGENET, SCRATCH), n=1)
        raise CheckpointError(
            f"pretrained is {source!r}, and there is no such file",
            expected=f"{AUTO!r}, {IMAGENET!r}, {SCRATCH!r} or the path of a file",
            fix=f"did you mean `--pretrained {near[0]}`?" if near else WAYS_OUT.format(file="file.pth"),
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


def _uncounted(backbone: DilatedResNet, state: dict[str, Tensor]) -> set[str]:
    return {key for key in backbone.state_dict() if key.endswith("num_batches_tracked") and key not in state}


def _fit(state: Any, backbone: DilatedResNet, origin: str) -> dict[str, Tensor]:
    """Check keys and shapes against the backbone, and drop the classifier."""
    wanted = backbone.state_dict()
    expected = f"the {len(wanted) + len(CLASSIFIER_KEYS)} keys of torchvision's {backbone.name}"
    fix = f"use a file of {backbone.name}, or set `backbone` to the architecture of this one"
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        keys = f" with keys {sorted(map(str, state))[:5]}" if isinstance(state, dict) else ""
        raise CheckpointError(
            f"{origin} holds no state dict but a {type(state).__name__}{keys}", expected=expected, fix=fix
        )
    missing = sorted(set(wanted) - set(state) - _uncounted(backbone, state))
    extra = sorted(set(state) - set(wanted) - CLASSIFIER_KEYS)
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
        raise CheckpointError(
            f"{origin} does not fit {backbone.name}: {'; '.join(problems)}", expected=expected, fix=fix
        )
    return {key: value for key, value in state.items() if key in wanted}
