"""Parts of training and evaluation engines that MONAI leaves to the bundle."""

from shared.engines.history import History
from shared.engines.prepare import PrepareMultiTaskBatch
from shared.engines.start import start_network

__all__ = ["History", "PrepareMultiTaskBatch", "start_network"]
