"""The published system's two baselines, with the multi-task network's arguments and outputs.

Dimensions: B batch, T tasks, S mask tasks, K classes, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from shared.errors import ConfigError
from shared.networks.deeplab import RATES, DeepLabV3PlusHead, resize
from shared.networks.resnet import DilatedResNet
from shared.networks.routing import global_average
from shared.tasks import GRADE, MASK, Task, TaskList, parse_tasks


class ResNetClassifier(nn.Module):
    """A ResNet with a head for each grade task: global average pool, Linear to 512, ReLU, dropout, Linear to K.

    With ResNet-50 and grades of 5 and 3 classes: 25,610,312 parameters, as published.

    Args:
        tasks: grade tasks; see `shared.tasks.parse_tasks`.
        backbone: ``resnet18`` to ``resnet152``.
        output_stride: 8, 16 or 32.
        dropout: probability in the heads.

    Raises:
        ConfigError: for a bad task list, or a mask task in it.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        backbone: str = "resnet50",
        output_stride: int = 32,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        grades = _only(GRADE, parse_tasks(tasks), "ResNetClassifier")
        self.backbone = DilatedResNet(backbone, output_stride=output_stride)
        self.heads = nn.ModuleDict(
            {
                task.name: nn.Sequential(
                    nn.Linear(self.backbone.channels, 512),
                    nn.ReLU(inplace=True),
                    nn.Dropout(dropout),
                    nn.Linear(512, task.num_classes),
                )
                for task in grades
            }
        )

    def forward(self, image_B3HW: Tensor, needed_BT: Tensor | None = None) -> dict[str, Tensor]:
        """Logits [B,K] under the name of each task, and an empty ``pred`` [B,0,H,W]; ``needed_BT`` changes nothing."""
        pooled_BC = global_average(self.backbone(image_B3HW).high, image_B3HW.dtype)
        outputs: dict[str, Tensor] = {}
        for name, head in self.heads.items():
            outputs[name] = head(pooled_BC)
        outputs["pred"] = image_B3HW[:, :0]
        return outputs


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ with plain convolutions, one sigmoid channel for each mask task.

    With ResNet-50 and 5 masks: 39,800,581 parameters, as published.

    Args:
        tasks: mask tasks; see `shared.tasks.parse_tasks`.
        backbone: ``resnet18`` to ``resnet152``.
        output_stride: 8 (rates 12, 24, 36) or 16 (rates 6, 12, 18).
        depthwise: depthwise separable 3x3 convolutions in the head.
        dropout: probability after the pyramid.

    Raises:
        ConfigError: for a bad task list, a grade task in it, or another output stride.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        backbone: str = "resnet50",
        output_stride: int = 16,
        depthwise: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        masks = _only(MASK, parse_tasks(tasks), "DeepLabV3Plus")
        if output_stride not in RATES:
            raise ConfigError(
                f"output_stride is {output_stride!r}", expected=f"one of {[*RATES]}", fix="correct `output_stride`"
            )
        self.backbone = DilatedResNet(backbone, output_stride=output_stride)
        self.head = DeepLabV3PlusHead(
            self.backbone.channels,
            low_channels=self.backbone.low_channels,
            out_channels=len(masks),
            rates=RATES[output_stride],
            depthwise=depthwise,
            dropout=dropout,
        )

    def forward(self, image_B3HW: Tensor, needed_BT: Tensor | None = None) -> dict[str, Tensor]:
        """``pred`` [B,S,H,W], mask logits at the input's size; ``needed_BT`` changes nothing."""
        low, high = self.backbone(image_B3HW)
        return {"pred": resize(self.head(high, low), like=image_B3HW)}


def _only(kind: str, tasks: TaskList, network: str) -> list[Task]:
    others = [task.name for task in tasks if task.kind != kind]
    if others:
        raise ConfigError(
            f"{network} was given the tasks {others}, which it cannot predict",
            expected=f"tasks of kind {kind!r} only",
            fix=f"keep only the {kind} tasks in `tasks`, or use MultiTaskNetwork",
        )
    return list(tasks)
