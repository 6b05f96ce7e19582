"""Ignite handlers that MONAI lacks."""

from shared.handlers.checkpoint import RunCheckpoint
from shared.handlers.evaluation_report import EvaluationReport
from shared.handlers.finish import FinishRun, read_thresholds
from shared.handlers.guards import FiniteLossGuard, StopOnSignal
from shared.handlers.load import LoadModel, model_provenance
from shared.handlers.photograph_writer import PhotographWriter
from shared.handlers.progress import ProgressBar
from shared.handlers.record import RecordHistory, RecordSplit, SaveBestModel
from shared.handlers.schedule import ReproducibleSteps, RoutingSchedule
from shared.handlers.tracking import TrackRun

__all__ = [
    "EvaluationReport",
    "FinishRun",
    "FiniteLossGuard",
    "LoadModel",
    "PhotographWriter",
    "ProgressBar",
    "RecordHistory",
    "RecordSplit",
    "ReproducibleSteps",
    "RoutingSchedule",
    "RunCheckpoint",
    "SaveBestModel",
    "StopOnSignal",
    "TrackRun",
    "model_provenance",
    "read_thresholds",
]
