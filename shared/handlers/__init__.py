"""Ignite handlers that MONAI lacks."""

from shared.handlers.average import AverageGradients, ShareBuffers
from shared.handlers.checkpoint import RunCheckpoint
from shared.handlers.ensemble_fit import FitEnsembleWeights
from shared.handlers.evaluation_report import EvaluationReport
from shared.handlers.finish import FinishRun
from shared.handlers.finish_multitask import FinishMultiTask, read_thresholds
from shared.handlers.finish_volumes import FinishVolumes
from shared.handlers.guards import FiniteLossGuard, StopOnSignal
from shared.handlers.load import LoadModel, model_files, model_provenance
from shared.handlers.photograph_record import RecordPhotographs
from shared.handlers.photograph_writer import PhotographWriter
from shared.handlers.progress import ProgressBar
from shared.handlers.record import RecordHistory, RecordSplit, SaveBestModel
from shared.handlers.schedule import ReproducibleSteps, RoutingSchedule
from shared.handlers.tracking import TrackRun
from shared.handlers.volume_report import VolumeReport
from shared.handlers.volume_writer import VolumeWriter
from shared.report.ensemble_weights import read_ensemble_weights

__all__ = [
    "AverageGradients",
    "EvaluationReport",
    "FinishMultiTask",
    "FinishRun",
    "FinishVolumes",
    "FiniteLossGuard",
    "FitEnsembleWeights",
    "LoadModel",
    "PhotographWriter",
    "ProgressBar",
    "RecordHistory",
    "RecordPhotographs",
    "RecordSplit",
    "ReproducibleSteps",
    "RoutingSchedule",
    "RunCheckpoint",
    "SaveBestModel",
    "ShareBuffers",
    "StopOnSignal",
    "TrackRun",
    "VolumeReport",
    "VolumeWriter",
    "model_files",
    "model_provenance",
    "read_ensemble_weights",
    "read_thresholds",
]
