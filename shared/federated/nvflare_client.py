"""What an NVFlare client runs for a site: NVIDIA FLARE's Client API around `Site` (nvflare 2.9, Apache-2.0).

The project and the bundle are installed at the site. The site's data are the key ``dataset_dir`` of the job, or, where
the site sets it, the variable `EYE_BUNDLES_SITE_DATA`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

SITE_DATA = "EYE_BUNDLES_SITE_DATA"


def main(settings: str | Path) -> None:
    """Train whenever the server sends weights; without weights, in the first round, start from the site's own.

    Args:
        settings: the site's ``site.json`` of the job, see `shared.federated.nvflare_job.write_job`.
    """
    import nvflare.client as flare
    from nvflare.app_common.abstract.fl_model import ParamsType

    from shared.federated.site import Site

    given = json.loads(Path(settings).read_text())
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    flare.init()
    name = flare.get_site_name()
    data = os.environ.get(SITE_DATA)
    site = Site(
        bundle=given["bundle"],
        name=name,
        output_dir=Path(given["output_dir"]).expanduser().absolute() / name,
        overlays=given["overlays"],
        keys=given["keys"] | ({"dataset_dir": data} if data else {}),
        local_epochs=given["local_epochs"],
    )
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        weights = from_arrays(received.params) if received.params else site.weights()
        # Of the weights as they come in, that is of the last round's mean.
        score = site.score(weights)
        update = site.train(weights)
        metrics = {"loss": update.loss} | ({"score": score} if np.isfinite(score) else {})
        sent: Any = flare.FLModel(
            params_type=ParamsType.FULL,
            params=to_arrays(update.weights),
            metrics=metrics,
            # By which NVFlare's FedAvg weights the sites.
            meta={"NUM_STEPS_CURRENT_ROUND": update.samples},
        )
        flare.send(sent)
    site.close()


def to_arrays(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Weights as NumPy arrays, which the server needs no PyTorch to average."""
    return {name: value.detach().cpu().numpy() for name, value in weights.items()}


def from_arrays(params: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Arrays, numbers or tensors as tensors; a counter that was averaged has become a number with a fraction."""
    return {name: torch.as_tensor(np.asarray(value)) for name, value in params.items()}
