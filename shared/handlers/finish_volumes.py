"""The end of a run on OCT volumes: student and teacher of the best epoch, side by side on the validation volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from shared.data.splits import SPLIT_FILE
from shared.handlers.finish import FinishRun
from shared.handlers.load import load_weights, read_tensors
from shared.handlers.volume_report import VolumeReport


class FinishVolumes(FinishRun):
    """`FinishRun` with a `VolumeReport`.

    Args:
        volumes: validation volumes, as the data list gives them.
        classes: names of classes 1..K-1.
        networks: file name -> network whose weights of the best epoch it holds, such as ``{"student.pt": ...}``.
        deploy: the prediction that `model.pt` gives.
        more: see `FinishRun`; ``report`` are further arguments of `VolumeReport`.
    """

    published: ClassVar[tuple[str, ...]] = ("model.json", SPLIT_FILE, "student.pt", "teacher.pt", "model.pt")
    labelled_by = "no validation volume has a reference"

    def __init__(
        self,
        *,
        volumes: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        networks: Mapping[str, nn.Module],
        deploy: str,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.volumes, self.classes, self.networks, self.deploy = list(volumes), list(classes), dict(networks), deploy

    def load_best(self) -> None:
        """Load both networks' weights of the best epoch."""
        for name, network in self.networks.items():
            load_weights(network, read_tensors(self.output_dir / name), source=self.output_dir / name)

    def report(self) -> None:
        """The report on the validation volumes."""
        report = VolumeReport(
            self.volumes,
            classes=self.classes,
            output_dir=self.output_dir,
            split="validation",
            deploy=self.deploy,
            provenance=self.provenance | {"note": "the epoch was chosen on these volumes: optimistic"},
            **self.report_arguments,
        )
        self.run_with(report.reset, report.collect)
        report.finish()
