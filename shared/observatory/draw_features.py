"""Grad-CAM of every class over some images, and the images that channels of a layer look for."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from shared.draw.look import save, subplots, titled
from shared.observatory.draw_maps import picture_of


def draw_features(
    images_NCHW: Tensor,
    activation_NKHW: Tensor,
    exciting_MHW: Tensor,
    path: str | Path,
    *,
    layer: str,
    phantom: bool = False,
) -> Path:
    """A row per image with a column per class; below, one picture per channel.

    Args:
        images_NCHW: as the network takes them.
        activation_NKHW: Grad-CAM of each class, each picture scaled to its own maximum, which its title says.
        exciting_MHW: grey values, each picture with a scale of its own.
        path: picture to write.
        layer: looked at.
    """
    count, classes = activation_NKHW.shape[:2]
    columns = max(1 + classes, min(6, len(exciting_MHW)))
    rows = count + -(-len(exciting_MHW) // columns)
    figure, axes = subplots(rows, columns, width=2.1 * columns + 0.5, height=2.3 * rows + 0.9)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, image_CHW, activation_KHW in zip(axes, images_NCHW, activation_NKHW, strict=False):
        picture = picture_of(image_CHW)
        row[0].imshow(picture, cmap="gray")
        row[0].set_title("image", fontsize=9)
        for k, activation_HW in enumerate(activation_KHW.cpu()):
            top = float(activation_HW.max())
            row[1 + k].imshow(picture, cmap="gray")
            row[1 + k].imshow(activation_HW, cmap="inferno", alpha=0.6, vmin=0, vmax=top or 1.0)
            row[1 + k].set_title(f"speaks for class {k}\nup to {top:.2g}", fontsize=9)
    for channel, (axis, found_HW) in enumerate(zip(axes[count:].flat, exciting_MHW.cpu(), strict=False)):
        axis.imshow(found_HW, cmap="gray")
        axis.set_title(f"channel {channel} looks for", fontsize=9)
    about = "Grad-CAM of the mean logit\nimages that excite a channel most"
    figure.suptitle(f"{titled(f'layer {layer}', phantom=phantom)}\n{about}", fontsize=11)
    return save(figure, path)
