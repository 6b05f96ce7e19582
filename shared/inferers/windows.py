"""An inferer for class maps: the whole canvas at once, or window by window."""

from __future__ import annotations

from collections.abc import Sequence

from monai.inferers import SlidingWindowInferer

from shared.errors import ConfigError
from shared.inferers.autocast import AutocastInferer


def make_inferer(
    *, window: Sequence[int] | None = None, amp: bool = True, overlap: float = 0.25, batch_size: int = 4
) -> AutocastInferer:
    """[B,C,H,W] -> [B,K,H,W], float32.

    Args:
        window: (height, width) of the windows that MONAI's `SlidingWindowInferer` moves over an image and blends by
            Gaussian weights; null: the image in one piece. A network with unpadded convolutions adds its frame to each.
        amp: reduced precision where the device has it.
        overlap: of neighbouring windows, 0..1.
        batch_size: windows at a time.

    Raises:
        ConfigError: no height and width.
    """
    if window is None:
        return AutocastInferer(amp=amp)
    if not isinstance(window, Sequence) or len(window) != 2 or min(window) < 1:
        raise ConfigError(f"window is {window}", expected="a height and a width, or null", fix="--window [512,512]")
    sliding = SlidingWindowInferer(
        roi_size=list(window), sw_batch_size=batch_size, overlap=overlap, mode="gaussian", padding_mode="replicate"
    )
    return AutocastInferer(amp=amp, inferer=sliding)
