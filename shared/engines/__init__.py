"""Parts of training and evaluation engines that MONAI leaves to the bundle."""

from shared.engines.consistency import make_method
from shared.engines.history import History
from shared.engines.learning_rate import find_learning_rate, resolve_learning_rate
from shared.engines.multi_task import MultiTaskTrainer
from shared.engines.optimizer import make_optimizer
from shared.engines.prepare import PrepareLabels, PrepareMultiTaskBatch, PrepareScanBatch
from shared.engines.scheduler_input import SchedulerInput
from shared.engines.semi_supervised import SemiSupervisedTrainer
from shared.engines.share import run_share
from shared.engines.start import start_network, start_teacher, trained_parameters

__all__ = [
    "History",
    "MultiTaskTrainer",
    "PrepareLabels",
    "PrepareMultiTaskBatch",
    "PrepareScanBatch",
    "SchedulerInput",
    "SemiSupervisedTrainer",
    "find_learning_rate",
    "make_method",
    "make_optimizer",
    "resolve_learning_rate",
    "run_share",
    "start_network",
    "start_teacher",
    "trained_parameters",
]
