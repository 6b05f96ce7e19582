"""Grad-CAM of every class over some images, and the images that channels of a layer look for."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from shared.draw.look import save, subplots, titled


def draw_features(
    images_NHW: Tensor,
    activation_NKHW: Tensor,
    exciting_MHW: Tensor,
    path: str | Path,
    *,
    layer: str,
    phantom: bool = False,
) -> Path:
    """A row per image with a column per class; below, one picture per channel.

    Args:
        images_NHW: grey values.
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
    for row, image_HW, activation_KHW in zip(axes, images_NHW, activation_NKHW, strict=False):
        row[0].imshow(image_HW.cpu(), cmap="gray")
        row[0].set_title("image", fontsize=9)
        for k, activation_HW in enumerate(activation_KHW.cpu()):
            top = float(activation_HW.max())
            row[1 + k].imshow(image_HW.cpu(), cmap="gray")
            row[1 + k].imshow(activation_HW, cmap="inferno", alpha=0.6, vmin=0, vmax=top or 1.0)
            row[1 + k].set_title(f"speaks for class {k}\nup to {top:.2g}", fontsize=9)
    for channel, (axis, found_HW) in enumerate(zip(axes[count:].flat, exciting_MHW.cpu(), strict=False)):
        axis.imshow(found_HW, cmap="gray")
        axis.set_title(f"channel {channel} looks for", fontsize=9)
    title = f"layer {layer}: Grad-CAM of the mean logit; images that excite a channel most"
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)
