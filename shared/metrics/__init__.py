"""Metrics that MONAI lacks, for masks, grades and class maps pooled over a set."""

from shared.metrics.classmaps import class_map_metrics
from shared.metrics.validation import validation_metrics

__all__ = ["class_map_metrics", "validation_metrics"]
