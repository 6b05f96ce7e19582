"""Which image should be labelled next: the one that a model is least certain about."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.exception import MONAILabelError, MONAILabelException
from monailabel.interfaces.tasks.strategy import Strategy

from shared.data.even import even_order
from shared.errors import DataError
from shared.label.server.infer import EyeInferTask
from shared.label.uncertainty import DISAGREEMENT, ENTROPY

log = logging.getLogger(__name__)

INFO = "uncertainty"
MEANING = {
    ENTROPY: "the image with the highest mean entropy of the model's probabilities",
    DISAGREEMENT: "the image on which the model's experts disagree most",
}


class MostUncertain(Strategy):
    """Of the images without a final label, the one with the highest value of a measure.

    Values are kept in the images' own information, with the weights that they belong to, and computed where they are
    missing: the first request on a large folder takes as long as inferring it. Images that the model cannot read are
    passed over.

    Args:
        measure: of `shared.label.uncertainty`.
        infers: the models by name.
    """

    def __init__(self, measure: str, infers: Mapping[str, EyeInferTask]) -> None:
        super().__init__(f"{MEANING[measure]}; params: model, images, max_samples")
        self.measure, self.infers = measure, infers

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any] | None:
        """Choose.

        Args:
            request: ``model``, its name (may be left out where there is one); ``images``, names to choose among (all,
                where not given); ``max_samples``, to look at no more than so many, evenly from all.

        Raises:
            MONAILabelException: no such model, or one without the measure.
        """
        name = self._model(request)
        wanted = request.get("images")
        unlabelled = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
        images = sorted(image for image in unlabelled if wanted is None or image in wanted)
        chosen = [images[place] for place in even_order(len(images), int(request.get("max_samples", 0)))]
        values = {}
        for image in chosen:
            found = self._values(image, name, datastore)
            if found and self.measure not in found:
                raise MONAILabelException(
                    MONAILabelError.INVALID_INPUT,
                    f"{name} gives no {self.measure}, only {', '.join(found)}: it has no experts to choose among",
                )
            if found:
                values[image] = found[self.measure]
        if not values:
            return None
        best = max(sorted(values), key=lambda image: values[image])
        log.info("%s of %s: %s of %d images, %.6f", self.measure, name, best, len(values), values[best])
        return {"id": best, "model": name, self.measure: values[best], "compared": len(values)}

    def _model(self, request: Mapping[str, Any]) -> str:
        name = str(request.get("model") or (next(iter(self.infers)) if len(self.infers) == 1 else ""))
        if name not in self.infers:
            raise MONAILabelException(
                MONAILabelError.INVALID_INPUT,
                f"There is no model {name!r} available; give one of {', '.join(self.infers)} as `model`",
            )
        return name

    def _values(self, image: str, model: str, datastore: Any) -> dict[str, float]:
        """By measure; empty for an image that this model cannot read."""
        task = self.infers[model]
        stat = task.model.stat()
        weights = f"{stat.st_mtime_ns}-{stat.st_size}"
        known = datastore.get_image_info(image).get(INFO, {})
        if known.get(model, {}).get("weights") != weights:
            try:
                values = task.uncertainty(Path(datastore.get_image_uri(image)))
            except DataError as error:
                log.info("%s is nothing for %s: %s", image, model, error.received)
                values = {}
            known = known | {model: {"weights": weights, "values": values}}
            datastore.update_image_info(image, {INFO: known})
        found: dict[str, float] = known[model]["values"]
        return found
