"""The published IDRiD system's network, plainly: what ours is measured against.

Written from the description of the published design, with its costs and without its bugs: float32 in rows-first order,
a loop over the batch for the gates, every expert computed and then multiplied by its weight, every decoder upsampling
the pyramid for itself, every expert's map interpolated to full size, `nn.Dropout`. The backbone is the same module as
in `shared.networks`, because the published one does not differ from it.

Dimensions: B batch, T tasks, E experts, K classes, C channels, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.networks.resnet import DilatedResNet
from shared.tasks import GRADE, MASK, TaskList

RENAMED = ((".router.linear.", ".gate."), (".dispatch.experts.", ".experts."), (".decoder.", "."))


def depthwise(channels: int, *, dilation: int = 1, stride: int = 1) -> nn.Conv2d:
    """A depthwise 3x3 convolution."""
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, stride=stride, groups=channels)


class ReferenceGradeExpert(nn.Module):
    """[B,C,H,W] -> [B,K]."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.AdaptiveAvgPool2d((11, 16)),
            depthwise(channels, stride=2),
            nn.Conv2d(channels, channels // 2, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classify = nn.Sequential(
            nn.Linear(channels // 2, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, num_classes)
        )

    def forward(self, high: Tensor) -> Tensor:
        return self.classify(self.features(high))


class ReferenceMaskExpert(nn.Module):
    """Pyramid [B,256,h,w] and low-level features -> logits [B,1,H,W] at the photograph's size."""

    def __init__(self, low_channels: int, dropout: float) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(low_channels, 64, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.filter = depthwise(320)
        self.merge = nn.Conv2d(320, 256, 1)
        self.classify = nn.Sequential(nn.BatchNorm2d(256), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(256, 1, 1))

    def forward(self, pyramid: Tensor, low: Tensor, size: tuple[int, int]) -> Tensor:
        upsampled = functional.interpolate(pyramid, size=low.shape[2:], mode="bilinear", align_corners=False)
        merged = self.merge(self.filter(torch.cat([upsampled, self.low(low)], dim=1)))
        return functional.interpolate(self.classify(merged), size=size, mode="bilinear", align_corners=False)


class ReferencePooling(nn.Module):
    """Image pooling, interpolated to the size of its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, 256, 1), nn.BatchNorm2d(256)

    def forward(self, high: Tensor) -> Tensor:
        pooled = functional.relu(self.norm(self.conv(functional.adaptive_avg_pool2d(high, 1))))
        return functional.interpolate(pooled, size=high.shape[2:], mode="bilinear", align_corners=False)


class ReferenceASPP(nn.Module):
    """[B,C,H,W] -> [B,256,H,W] with rates 6, 12, 18."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        convolutions = [[nn.Conv2d(channels, 256, 1)]]
        convolutions += [[depthwise(channels, dilation=rate), nn.Conv2d(channels, 256, 1)] for rate in (6, 12, 18)]
        self.branches = nn.ModuleList(nn.Sequential(*layers, nn.BatchNorm2d(256), nn.ReLU()) for layers in convolutions)
        self.pooling = ReferencePooling(channels)
        self.project = nn.Sequential(nn.Conv2d(1280, 256, 1), nn.BatchNorm2d(256), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, high: Tensor) -> Tensor:
        maps = [branch(high) for branch in self.branches]
        return self.project(torch.cat([*maps, self.pooling(high)], dim=1))


class ReferenceMixture(nn.Module):
    """A task's gate and experts; every expert computed for every photograph."""

    def __init__(self, gate_channels: int, experts: list[nn.Module]) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(gate_channels, len(experts)), nn.ModuleList(experts)

    def forward(
        self, features: Tensor, inputs: tuple[object, ...], p: float | None, logits_BE: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mixed output, gate logits and weights; ``p`` None takes all experts, ``logits_BE`` holds the gate fixed."""
        if logits_BE is None:
            logits_BE = self.gate(functional.adaptive_avg_pool2d(features, 1).flatten(1))
        scores_BE = torch.sigmoid(logits_BE)
        kept_BE = torch.ones_like(scores_BE)
        if p is not None:
            for photograph in range(scores_BE.shape[0]):
                reached = 0.0
                for expert in scores_BE[photograph].argsort(descending=True).tolist():
                    kept_BE[photograph, expert] = float(reached < p)
                    reached += float(scores_BE[photograph, expert])
        weights_BE = scores_BE * kept_BE / (scores_BE * kept_BE).sum(dim=1, keepdim=True)
        outputs = torch.stack([expert(*inputs) for expert in self.experts], dim=1)
        weights = weights_BE.reshape(*weights_BE.shape, *[1] * (outputs.dim() - 2))
        return (outputs * weights).sum(dim=1), logits_BE, weights_BE


class ReferenceNetwork(nn.Module):
    """Arguments and outputs as in `shared.networks.MultiTaskNetwork`, for a batch that needs the tasks of ``kinds``.

    Args:
        tasks: the task list.
        backbone: ``resnet18`` to ``resnet152``, at output stride 16.
        num_experts: E.
        dropout: probability.
        top_p, eval_top_p: p in training and in evaluation.
    """

    def __init__(
        self,
        *,
        tasks: TaskList,
        backbone: str = "resnet50",
        num_experts: int = 3,
        dropout: float = 0.5,
        top_p: float | None = 0.8,
        eval_top_p: float = 0.75,
    ) -> None:
        super().__init__()
        self.tasks, self.num_experts, self.top_p, self.eval_top_p = tasks, num_experts, top_p, eval_top_p
        self.backbone = DilatedResNet(backbone, output_stride=16)
        channels, low_channels = self.backbone.channels, self.backbone.low_channels
        self.grades = nn.ModuleDict(
            {
                task.name: ReferenceMixture(
                    channels,
                    [ReferenceGradeExpert(channels, task.num_classes, dropout) for _ in range(num_experts)],
                )
                for task in tasks.grades
            }
        )
        self.aspp = ReferenceASPP(channels, dropout)
        self.masks = nn.ModuleDict(
            {
                task.name: ReferenceMixture(
                    256, [ReferenceMaskExpert(low_channels, dropout) for _ in range(num_experts)]
                )
                for task in tasks.masks
            }
        )

    def load_ours(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of a `MultiTaskNetwork`, strictly."""
        renamed = {}
        for key, value in state.items():
            for ours, theirs in RENAMED:
                key = key.replace(ours, theirs)
            renamed[key] = value
        self.load_state_dict(renamed, strict=True)

    def forward(
        self, image_B3HW: Tensor, kinds: tuple[str, ...] = (GRADE, MASK), gate_logits_BTE: Tensor | None = None
    ) -> dict[str, Tensor]:
        p = self.top_p if self.training else self.eval_top_p
        size = (image_B3HW.shape[2], image_B3HW.shape[3])
        low, high = self.backbone(image_B3HW)
        pyramid = self.aspp(high) if MASK in kinds else high
        idle_BE = image_B3HW.new_zeros(image_B3HW.shape[0], self.num_experts)
        outputs: dict[str, Tensor] = {}
        maps, logits, weights = [], [], []
        for t, task in enumerate(self.tasks):
            fixed = None if gate_logits_BTE is None else gate_logits_BTE[:, t]
            gate = (idle_BE, idle_BE)
            if task.kind == GRADE and GRADE in kinds:
                outputs[task.name], *gate = self.grades[task.name](high, (high,), p, fixed)
            elif task.kind == MASK and MASK in kinds:
                map_B1HW, *gate = self.masks[task.name](pyramid, (pyramid, low, size), p, fixed)
                maps.append(map_B1HW)
            logits.append(gate[0])
            weights.append(gate[1])
        if maps:
            outputs["pred"] = torch.cat(maps, dim=1)
        return outputs | {"gate_logits": torch.stack(logits, dim=1), "gate_weights": torch.stack(weights, dim=1)}
