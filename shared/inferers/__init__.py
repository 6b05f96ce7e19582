"""How a network meets an image: whole or by windows, in which precision."""

from shared.inferers.autocast import AutocastInferer, autocast_dtype, needs_scaler
from shared.inferers.sliding_window import MultiTaskSlidingWindowInferer
from shared.inferers.windows import make_inferer

__all__ = ["AutocastInferer", "MultiTaskSlidingWindowInferer", "autocast_dtype", "make_inferer", "needs_scaler"]
