"""Cross pseudo supervision: two networks that start differently teach each other.

Source: Chen et al., "Semi-Supervised Semantic Segmentation with Cross Pseudo Supervision", CVPR 2021, equations 1 to 3.
The peer takes the teacher's place; see `shared.networks.make_peer`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shared.engines.consistency.base import (
    LABELLED,
    ConsistencyMethod,
    Loss,
    Outputs,
    Passes,
    ScanBatch,
    pseudo_label_loss,
)


class CrossPseudo(ConsistencyMethod):
    """Consistency: each network's cross entropy with the other's most probable classes, on all images, summed; the
    supervised term is the sum of both networks'. Both see the images as the loader gives them.
    """

    trains_teacher = True

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        ours = student(batch.labelled_LCHW, batch.unlabelled_UCHW)
        theirs = teacher(batch.labelled_LCHW, batch.unlabelled_UCHW)
        return {LABELLED: ours[0], "unlabelled": ours[1], "peer labelled": theirs[0], "peer unlabelled": theirs[1]}

    def supervised(self, outputs: Outputs, label_L1HW: Tensor, loss: Loss) -> Tensor:
        return loss(outputs[LABELLED], label_L1HW) + loss(outputs["peer labelled"], label_L1HW)

    def consistency(self, outputs: Outputs) -> Tensor | None:
        ours = torch.cat([outputs[LABELLED], outputs["unlabelled"]])
        theirs = torch.cat([outputs["peer labelled"], outputs["peer unlabelled"]])
        return pseudo_label_loss(ours, theirs.softmax(dim=1)) + pseudo_label_loss(theirs, ours.softmax(dim=1))
