"""FixMatch: what the network is sure of on the image as it is, it should say of a strongly distorted one.

Source: Sohn et al., "FixMatch", NeurIPS 2020, equations 3 and 4; for segmentation, with CutMix, as the baseline of Yang
et al., CVPR 2023. What differs: CutMix takes its partners from the batch itself; a mean teacher may give the labels.
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
from shared.errors import ConfigError

SOURCES = ("student", "teacher")


class FixMatch(ConsistencyMethod):
    """Consistency: cross entropy of the strong view with the confident pixels of the weak view.

    The weak view is the image as the loader gives it (which flips and turns it).

    Args:
        threshold: probability from which a pixel is learned from.
        pseudo_labels: who labels: the ``"student"`` itself (published) or the averaged ``"teacher"``.
        cutmix: probability of a rectangle from another image.
        more: of `ConsistencyMethod`; the weight is 1 by default.

    Raises:
        ConfigError: an unknown source of labels, a threshold or probability outside 0..1.
    """

    def __init__(
        self, *, threshold: float = 0.95, pseudo_labels: str = "student", cutmix: float = 0.5, **more: Any
    ) -> None:
        super().__init__(**more)
        if pseudo_labels not in SOURCES or not 0 <= threshold <= 1 or not 0 <= cutmix <= 1:
            raise ConfigError(
                f"pseudo_labels {pseudo_labels!r}, threshold {threshold}, cutmix {cutmix}",
                expected=f"pseudo_labels one of {', '.join(SOURCES)}; numbers in 0..1",
                fix="correct the arguments of the method",
            )
        self.threshold, self.pseudo_labels, self.cutmix = threshold, pseudo_labels, cutmix

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        weak = batch.unlabelled_UCHW
        mix = CutMix.draw(weak, probability=self.cutmix)
        strong = mix.apply(strengthen(weak))
        if self.pseudo_labels == "teacher":
            target = teacher(weak)[0]
            labelled, learned = student(batch.labelled_LCHW, strong)
        else:
            labelled, target, learned = student(batch.labelled_LCHW, weak, strong)
        return {LABELLED: labelled, "strong": learned, "target": mix.apply(target.detach().softmax(dim=1))}

    def consistency(self, outputs: Outputs) -> Tensor | None:
        if not len(outputs["strong"]):
            return None
        return pseudo_label_loss(outputs["strong"], outputs["target"], threshold=self.threshold)
