"""Parts of training and evaluation engines that MONAI leaves to the bundle."""

from shared.engines.consistency import make_method
from shared.engines.history import History
from shared.engines.prepare import PrepareMultiTaskBatch, PrepareScanBatch
from shared.engines.scheduler_input import SchedulerInput
from shared.engines.semi_supervised import SemiSupervisedTrainer
from shared.engines.start import start_network, start_teacher, trained_parameters

__all__ = [
    "History",
    "PrepareMultiTaskBatch",
    "PrepareScanBatch",
    "SchedulerInput",
    "SemiSupervisedTrainer",
    "make_method",
    "start_network",
    "start_teacher",
    "trained_parameters",
]
