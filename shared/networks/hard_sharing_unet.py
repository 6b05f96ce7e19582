"""A U-Net whose one encoder serves masks, grades and a box: hard parameter sharing.

Dimensions: B batch, C channels, S mask tasks, K classes, H W rows and columns.

Source: the published network for Oxford-IIIT Pet (four levels of 32 to 256 channels, first level 7x7 convolutions, max
pooling 3/2, transposed convolutions): 3,673,555 parameters with a mask, two classes and a box; 2,361,679 without the
box; 3,399,325 without the classes; 2,087,449 with the mask alone. Written anew after its description. What differs:
no ReLU before the box's sigmoid (with it no coordinate can be below 0.5), dropout is off at evaluation, any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

BOX = "box"
CHANNELS = (32, 64, 128, 256)
HEAD_GRID = DIVISOR = 16
RESERVED = {"pred", BOX}


class HardSharingUNet(nn.Module):
    """Images [B,C,H,W], normalised -> a dict with one entry for each task, for any H and W that 16 divides.

    ``pred``: mask logits [B,S,H,W]; each grade's name: logits [B,K]; ``box``: [B,4] in 0..1, left, top, right and
    bottom as shares of width and height (nothing forces left < right).

    1. Encoder: at each level two convolutions, each with BatchNorm and ReLU, then max pooling 3/2.
    2. Decoder: at each level two convolutions and a transposed one, joined by the encoder's map of the new size; the
       last one gives the logits.
    3. Heads read the deepest map, brought to 16x16 (which it is for the published 256x256) by average pooling.

    Parameter names: ``encoder.*``, ``decoder.*`` (absent without masks), ``grade_heads.NAME.*``, ``box_head.*``.

    Args:
        in_channels: C.
        num_masks: S; 0: no decoder.
        grades: names of grade tasks and their K.
        box: whether there is a box head.
        channels: of the four levels.
        box_relu: the published defect: a ReLU before the box's sigmoid.
        mask_relu: as published, ReLUs also where only S channels are left: the last layer's bias then bounds a mask's
            logit on one side, and the mask may be unable to say no (or yes) anywhere.
        output: if given, `forward` returns this one tensor instead of the dict.

    Raises:
        ConfigError: without any task, or with impossible numbers or names.
    """

    from_scratch = True  # there are no ImageNet weights for it
    divisor = DIVISOR

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_masks: int = 1,
        grades: Mapping[str, int] | None = None,
        box: bool = False,
        channels: Sequence[int] = CHANNELS,
        box_relu: bool = False,
        mask_relu: bool = True,
        output: str | None = None,
    ) -> None:
        super().__init__()
        grades = dict(grades or {})
        check_outputs(num_masks=num_masks, grades=grades, box=box, channels=channels, output=output)
        self.output = output
        self.pool = nn.AdaptiveAvgPool2d(HEAD_GRID)
        levels = list(zip((in_channels, *channels), channels, strict=False))
        self.encoder = nn.ModuleList(
            encoder_level(before, after, kernel=7 if number == 0 else 3)
            for number, (before, after) in enumerate(levels)
        )
        first, second, third, fourth = channels
        steps = [(fourth, third), (2 * third, second), (2 * second, first), (2 * first, num_masks)]
        self.decoder = nn.ModuleList(
            decoder_level(before, after, relu=mask_relu or number < 3)
            for number, (before, after) in enumerate(steps)
            if num_masks
        )
        self.grade_heads = nn.ModuleDict({name: grade_head(fourth, number) for name, number in grades.items()})
        self.box_head = nn.ModuleList([box_head(fourth, relu=box_relu)] if box else [])

    @torch.jit.unused
    def shared_parameters(self) -> list[nn.Parameter]:
        """What several tasks train: the encoder's parameters."""
        return list(self.encoder.parameters())

    def forward(self, image_BCHW: Tensor) -> dict[str, Tensor] | Tensor:
        """The outputs by task, or the one that is called ``output``.

        Raises:
            ConfigError: H or W is not divisible by 16.
        """
        if not torch.jit.is_scripting():
            check_sides(image_BCHW, DIVISOR)
        map_BCHW = image_BCHW
        maps: list[Tensor] = []
        for level in self.encoder:
            map_BCHW = level(map_BCHW)
            maps.append(map_BCHW)
        outputs: dict[str, Tensor] = {}
        decoded_BCHW = map_BCHW
        for step, level in enumerate(self.decoder):
            if step:
                decoded_BCHW = torch.cat([decoded_BCHW, maps[3 - step]], dim=1)
            decoded_BCHW = level(decoded_BCHW)
            outputs["pred"] = decoded_BCHW
        pooled_BCHW = self.pool(map_BCHW)
        for name, head in self.grade_heads.items():
            outputs[name] = head(pooled_BCHW)
        for head in self.box_head:
            outputs["box"] = head(pooled_BCHW)
        if self.output is not None:
            return outputs[self.output]
        return outputs


def encoder_level(before: int, after: int, *, kernel: int) -> nn.Sequential:
    """[B,C,H,W] -> [B,C',H/2,W/2]: two convolutions and max pooling."""
    return nn.Sequential(*_two_convolutions(before, after, kernel=kernel), nn.MaxPool2d(3, stride=2, padding=1))


def decoder_level(before: int, after: int, *, relu: bool = True) -> nn.Sequential:
    """[B,C,H,W] -> [B,C',2H,2W]: two convolutions and a transposed one.

    Without ``relu`` the map is linear, and the transposed one starts as bilinear interpolation (Long et al., "Fully
    Convolutional Networks for Semantic Segmentation", CVPR 2015), so that no checkerboard has to be unlearned.
    """
    up = nn.ConvTranspose2d(after, after, 3, stride=2, padding=1, output_padding=1)
    if not relu:
        start_bilinear(up)
    return nn.Sequential(*_two_convolutions(before, after, kernel=3, relu=relu), up)


def start_bilinear(up: nn.ConvTranspose2d) -> None:
    """Let a transposed 3x3 convolution of stride 2 double the size of each channel by bilinear interpolation."""
    line = torch.tensor([0.5, 1.0, 0.5])
    with torch.no_grad():
        up.weight.zero_()
        for channel in range(up.in_channels):
            up.weight[channel, channel] = line[:, None] * line
        if up.bias is not None:
            up.bias.zero_()


def _two_convolutions(before: int, after: int, *, kernel: int, relu: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for incoming in (before, after):
        convolution = nn.Conv2d(incoming, after, kernel, padding=kernel // 2)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU() if relu else nn.Identity()]
    return layers


def grade_head(channels: int, num_classes: int) -> nn.Sequential:
    """[B,C,16,16] -> logits [B,K]."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(64, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes)),
    )


def box_head(channels: int, *, relu: bool = False) -> nn.Sequential:
    """[B,C,16,16] -> a box [B,4] in 0..1; ``relu``: the published defect."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Conv2d(channels, channels, 3), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(4 * channels, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 4)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []), nn.Sigmoid())


def check_outputs(
    *,
    num_masks: int,
    grades: Mapping[str, int],
    box: bool,
    channels: Sequence[int] = CHANNELS,
    output: str | None = None,
) -> None:
    """Raise `ConfigError` unless a network can have these outputs, and ``output`` is one of them or None."""
    problem = ""
    if not (num_masks or grades or box):
        problem = "the network has no task"
    elif num_masks < 0:
        problem = f"num_masks is {num_masks}"
    elif len(channels) != 4 or min(channels) < 1:
        problem = f"channels are {list(channels)}"
    elif wrong := {name: number for name, number in grades.items() if number < 2 or name in RESERVED}:
        problem = f"grades are {wrong}"
    if problem:
        raise ConfigError(
            problem,
            expected="a mask, a grade with two classes or more (none called pred or box) or a box; four channel counts",
            fix="correct `num_masks`, `grades`, `box` or `channels` of the network",
        )
    outputs = ["pred"] * bool(num_masks) + [*grades] + [BOX] * box
    if output is not None and output not in outputs:
        raise ConfigError(f"output is {output!r}", expected=f"one of {outputs}, or null", fix="correct `output`")


def check_sides(image_BCHW: Tensor, divisor: int) -> None:
    """Raise `ConfigError` unless ``divisor`` divides rows and columns."""
    height, width = (int(side) for side in image_BCHW.shape[2:])
    if height % divisor or width % divisor:
        up = [-(-side // divisor) * divisor for side in (height, width)]
        raise ConfigError(
            f"an image of {height} x {width} (rows x columns)",
            expected=f"rows and columns divisible by {divisor}",
            fix=f"for example --image_size '[{up[0]},{up[1]}]'",
        )
