"""Mean Teacher: student and averaged teacher see the same images under different noise and should agree.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017; noise, weight and loss as in the
published RETOUCH system (weight 10, variance .01, mean squared error of softmax maps), except that the teacher runs
without gradients and in evaluation mode.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from shared.engines.consistency.base import LABELLED, ConsistencyMethod, Outputs, Passes, ScanBatch
from shared.engines.views import NOISE_VARIANCE, add_noise


class MeanTeacher(ConsistencyMethod):
    """Consistency: mean squared difference of the softmax maps of the unlabelled images.

    Args:
        noise_variance: of the Gaussian noise, drawn for student and teacher separately.
        more: of `ConsistencyMethod`; the weight is 10 by default.
    """

    default_weight = 10.0

    def __init__(self, *, noise_variance: float = NOISE_VARIANCE, **more: Any) -> None:
        super().__init__(**more)
        self.noise_variance = noise_variance

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        ours = add_noise(batch.unlabelled_UCHW, variance=self.noise_variance)
        theirs = add_noise(batch.unlabelled_UCHW, variance=self.noise_variance)
        labelled, unlabelled = student(batch.labelled_LCHW, ours)
        return {LABELLED: labelled, "unlabelled": unlabelled, "target": teacher(theirs)[0].softmax(dim=1)}

    def consistency(self, outputs: Outputs) -> Tensor | None:
        if not len(outputs["unlabelled"]):
            return None
        return functional.mse_loss(outputs["unlabelled"].softmax(dim=1), outputs["target"])
