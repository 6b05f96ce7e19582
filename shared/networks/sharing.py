"""How much several tasks share: one encoder, one encoder and experts, or an encoder for each with cross-stitches.

Dimensions: B batch, C channels, T outputs, S mask tasks, E experts, K classes, H W rows and columns.

Sources: hard sharing with the published U-Net, see `shared.networks.hard_sharing_unet`; cross-stitch, see
`shared.networks.cross_stitch`; experts that all tasks share, with a gate for each task: Ma et al., "Modeling Task
Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018, by the routers and the dispatch of
the IDRiD network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.choices import check_choice
from shared.networks.cross_stitch import CrossStitchEncoder
from shared.networks.dispatch import DenseDispatch
from shared.networks.experts import MapExpert
from shared.networks.hard_sharing_unet import BOX, CHANNELS, HardSharingUNet, check_outputs, check_sides
from shared.networks.levels import UNET, make_box_head, make_encoder, make_grade_head, make_masks
from shared.networks.resnet_encoder import ResNetEncoder
from shared.networks.routing import DENSE, Router
from shared.tasks import Task, parse_tasks

HARD, CROSS_STITCH, MOE = "hard", "cross_stitch", "moe"
SHARINGS = (HARD, CROSS_STITCH, MOE)
OF_SOFT_SHARING = ("num_experts", "self_weight")


class SharedEncoder(nn.Module):
    """Images -> the maps of all levels, the same for every task.

    Args:
        encoder: see `shared.networks.levels`. num_levels: its. num_tasks: T.
    """

    def __init__(self, encoder: nn.Module, *, num_levels: int, num_tasks: int) -> None:
        super().__init__()
        self.encoder, self.num_levels, self.num_tasks = encoder, num_levels, num_tasks

    def forward(self, image_BCHW: Tensor) -> list[list[Tensor]]:
        maps: list[Tensor] = []
        map_BCHW = image_BCHW
        for number in range(self.num_levels):
            map_BCHW = self.encoder.level(number, map_BCHW)  # type: ignore[operator]
            maps.append(map_BCHW)
        return [maps for _ in range(self.num_tasks)]


class SharingNetwork(nn.Module):
    """Images [B,C,H,W], normalised -> the same dict as `HardSharingUNet` gives.

    1. ``encoder``: maps of all levels for each output, shared or stitched.
    2. ``experts`` and ``gates`` (``"moe"``): each output's gate mixes the experts' versions of the deepest map.
    3. ``decoder`` reads all maps, ``grade_heads.NAME`` and ``box_head`` the deepest.

    Args:
        sharing: ``"hard"``, ``"cross_stitch"`` or ``"moe"``.
        backbone: ``"unet"`` or a ResNet; see `shared.networks.levels.make_encoder`.
        in_channels: C.
        num_masks: S; 0: no decoder.
        grades: names of grade tasks and their K.
        box: whether there is a box head.
        channels: of the four levels of ``"unet"``.
        num_experts: E. self_weight: see `shared.networks.cross_stitch.CrossStitch`.
        box_relu, mask_relu: as published, of ``"unet"`` alone; see `HardSharingUNet`.
        output: if given, `forward` returns this one tensor instead of the dict.

    Raises:
        ConfigError: without any task, or for values outside their choices.
    """

    def __init__(
        self,
        *,
        sharing: str = HARD,
        backbone: str = UNET,
        in_channels: int = 3,
        num_masks: int = 1,
        grades: Mapping[str, int] | None = None,
        box: bool = False,
        channels: Sequence[int] = CHANNELS,
        num_experts: int = 3,
        self_weight: float = 0.9,
        box_relu: bool = False,
        mask_relu: bool = True,
        output: str | None = None,
    ) -> None:
        super().__init__()
        grades = dict(grades or {})
        check_choice("sharing", sharing, SHARINGS)
        check_outputs(num_masks=num_masks, grades=grades, box=box, channels=channels, output=output)
        self.output = output
        names = ["pred"] * bool(num_masks) + list(grades) + [BOX] * box
        encoders: list[Any] = [
            make_encoder(backbone, in_channels=in_channels, channels=channels)
            for _ in (names if sharing == CROSS_STITCH else names[:1])
        ]
        levels, self.divisor = encoders[0].level_channels, int(encoders[0].divisor)
        self.encoder: nn.Module
        if sharing == CROSS_STITCH:
            self.encoder = CrossStitchEncoder(encoders, level_channels=levels, self_weight=self_weight)
        else:
            self.encoder = SharedEncoder(encoders[0], num_levels=len(levels), num_tasks=len(names))
        deep, mixed = levels[-1], sharing == MOE
        self.experts = nn.ModuleList([DenseDispatch(MapExpert(deep) for _ in range(num_experts))] if mixed else [])
        self.gates = nn.ModuleList(Router(deep, num_experts=num_experts, rule=DENSE) for _ in (names if mixed else ()))
        self.decoder = nn.ModuleList(
            [make_masks(backbone, levels, num_masks=num_masks, relu=mask_relu)] if num_masks else []
        )
        self.grade_heads = nn.ModuleDict(
            {name: make_grade_head(backbone, deep, num_classes=number) for name, number in grades.items()}
        )
        self.box_head = nn.ModuleList([make_box_head(backbone, deep, relu=box_relu)] if box else [])
        self.first_grade = len(self.decoder)
        self.from_scratch = backbone == UNET

    @torch.jit.unused
    def shared_parameters(self) -> list[nn.Parameter]:
        """What several tasks train: all encoders and experts; gates, decoder and heads are a task's own."""
        return [*self.encoder.parameters(), *self.experts.parameters()]

    @torch.jit.unused
    def backbones(self) -> list[nn.Module]:
        """The encoders that ImageNet weights may be loaded into."""
        return [module for module in self.encoder.modules() if isinstance(module, ResNetEncoder)]

    def forward(self, image_BCHW: Tensor) -> dict[str, Tensor] | Tensor:
        """The outputs by task, or the one that is called ``output``.

        Raises:
            ConfigError: H or W is not divisible by 16, or 32 with a ResNet.
        """
        if not torch.jit.is_scripting():
            check_sides(image_BCHW, self.divisor)
        maps_T = self.encoder(image_BCHW)
        deepest_T = [maps[-1] for maps in maps_T]
        for place, gate in enumerate(self.gates):
            routing = gate(deepest_T[place])
            for experts in self.experts:
                deepest_T[place] = experts([deepest_T[place]], routing.weights_BE, routing.selected_BE)
        outputs: dict[str, Tensor] = {}
        for decoder in self.decoder:
            outputs["pred"] = decoder(maps_T[0][:-1] + [deepest_T[0]])  # noqa: RUF005
        for place, (name, head) in enumerate(self.grade_heads.items()):
            outputs[name] = head(deepest_T[self.first_grade + place])
        for head in self.box_head:
            outputs["box"] = head(deepest_T[-1])
        if self.output is not None:
            return outputs[self.output]
        return outputs


def make_sharing_network(
    *, tasks: Iterable[Mapping[str, Any] | Task], sharing: str = HARD, backbone: str = UNET, **options: Any
) -> nn.Module:
    """The network of a task list: `HardSharingUNet` for hard sharing in the published U-Net, else `SharingNetwork`.

    Args:
        tasks: masks, grades and at most one box; see `shared.tasks.parse_tasks`.
        sharing, backbone: see `SharingNetwork`.
        options: its other arguments; `HardSharingUNet` has no use for ``num_experts`` and ``self_weight``.

    Raises:
        ConfigError: see `SharingNetwork`.
    """
    task_list = parse_tasks(tasks)
    options |= {
        "num_masks": len(task_list.masks),
        "grades": {task.name: task.num_classes for task in task_list.grades},
        "box": bool(task_list.boxes),
    }
    if sharing == HARD and backbone == UNET:
        return HardSharingUNet(**{name: value for name, value in options.items() if name not in OF_SOFT_SHARING})
    return SharingNetwork(sharing=sharing, backbone=backbone, **options)
