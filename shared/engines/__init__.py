"""Parts of training and evaluation engines that MONAI leaves to the bundle."""

from shared.engines.finish import finish_training
from shared.engines.prepare import PrepareMultiTaskBatch

__all__ = ["PrepareMultiTaskBatch", "finish_training"]
