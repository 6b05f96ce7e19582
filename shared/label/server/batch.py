"""Inference on all images of the datastore, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from monailabel.interfaces.tasks.batch_infer import BatchInferTask

from shared.errors import DataError

log = logging.getLogger(__name__)


class EyeBatchInfer(BatchInferTask):
    """MONAI Label's, which as it comes divides by the number of GPUs (none on most computers), and stops at the first
    image that a model cannot read."""

    def __call__(self, request: dict[str, Any], datastore: Any, infer: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        def careful(one: dict[str, Any], store: Any) -> dict[str, Any]:
            try:
                return infer(one, store)
            except DataError as error:
                log.warning("%s is passed over: %s", one["image"], error.received)
                return {"error": error.received}

        alone = {"multi_gpu": False, "max_workers": 1, "device": "cpu"}
        answer: dict[str, Any] = super().__call__(dict(request) | alone, datastore, careful)
        return answer
