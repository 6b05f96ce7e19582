"""The model file of an NVFlare server as a bundle's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from shared.errors import CheckpointError
from shared.federated.average import State
from shared.federated.publish import ServerWorkflow, write_model


def collect_model(file: str | Path, *, folder: Path, server: ServerWorkflow) -> Path:
    """Write the last round's mean as `model.pt`, with `model.json`.

    Args:
        file: ``FL_global_model.pt`` of the job's run at the server: NVFlare's own format, no PyTorch file.
        folder: where to.
        server: the configuration that the job was made with.

    Raises:
        CheckpointError: no such file, no NVFlare model, or one of another network.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise CheckpointError(f"no model at {path}", expected="what the NVFlare server saved", fix="correct --collect")
    found = read_model(path)
    own = server.start()
    weights: State = {}
    for name, value in found["params"].items():
        tensor = torch.as_tensor(np.asarray(value))
        like = own.get(name)
        weights[name] = tensor if like is None else tensor.to(like.dtype).reshape(like.shape)
    about = {"dataset": "an NVFlare federation", "epoch": found["round"], "federated": {"rounds": found["round"]}}
    return write_model(folder, server, weights, about=about, source=str(path))


def read_model(path: Path) -> dict[str, Any]:
    """``params`` by name, and the number of the last ``round``.

    Raises:
        CheckpointError: no NVFlare model.
    """
    from nvflare.app_common.decomposers import common_decomposers
    from nvflare.fuel.utils import fobs

    common_decomposers.register()
    try:
        model = fobs.loadf(str(path))
        return {"params": dict(model.params), "round": int(model.current_round or 0) + 1}
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            expected="FL_global_model.pt as NVFlare's FedAvg saves it",
            fix="give the file of the server's run",
        ) from error
