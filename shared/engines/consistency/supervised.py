"""The control: labelled images alone, in the same batches, with an averaged copy of the weights as well."""

from __future__ import annotations

from torch import Tensor

from shared.engines.consistency.base import LABELLED, ConsistencyMethod, Outputs, Passes, ScanBatch


class SupervisedOnly(ConsistencyMethod):
    """No consistency term; unlabelled images pass through no network. The teacher is averaged as in `MeanTeacher`."""

    default_weight = 0.0

    def predict(self, batch: ScanBatch, *, student: Passes, teacher: Passes) -> Outputs:
        return {LABELLED: student(batch.labelled_LCHW)[0]}

    def consistency(self, outputs: Outputs) -> Tensor | None:
        return None
