"""UniMatch: FixMatch with two strong views and one perturbation of the features.

Source: Yang et al., "Revisiting Weak-to-Strong Consistency in Semi-Supervised Semantic Segmentation", CVPR 2023,
equations 4 to 6. What differs: CutMix takes its partners from the batch itself, with the labels of the same pass;
the sum of supervised and consistency term is not halved.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from shared.engines.consistency.base import (
    LABELLED,
    ConsistencyMethod,
    Outputs,
    Passes,
    ScanBatch,
    pseudo_label_loss,
)
from shared.engines.views import CutMix, strengthen


class UniMatch(ConsistencyMethod):
    """Consistency: a quarter of each strong view's cross entropy and half of the perturbed features', all with the
    confident pixels of the weak view.

    Args:
        threshold: probability from which a pixel is learned from.
        cutmix: probability of a rectangle from another image.
        more: of `ConsistencyMethod`; the weight is 1 by default.
    """

    def __init__(self, *, threshold: float = 0.95, cutmix: float = 0.5, **more: Any) -> None:
        super().__init__(**more)
        self.threshold, self.cutmix = threshold, cutmix

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        weak = batch.unlabelled_UCHW
        mixes = [CutMix.draw(weak, probability=self.cutmix) for _ in range(2)]
        strong = [mix.apply(strengthen(weak)) for mix in mixes]
        labelled, target, first, second, features = student(batch.labelled_LCHW, weak, *strong, perturbed=1)
        target = target.detach().softmax(dim=1)
        return {
            LABELLED: labelled,
            "features": features,
            "target": target,
            "strong 1": first,
            "target 1": mixes[0].apply(target),
            "strong 2": second,
            "target 2": mixes[1].apply(target),
        }

    def consistency(self, outputs: Outputs) -> Tensor | None:
        if not len(outputs["features"]):
            return None
        images = [
            pseudo_label_loss(outputs[f"strong {number}"], outputs[f"target {number}"], threshold=self.threshold)
            for number in (1, 2)
        ]
        features = pseudo_label_loss(outputs["features"], outputs["target"], threshold=self.threshold)
        return 0.25 * (images[0] + images[1]) + 0.5 * features
