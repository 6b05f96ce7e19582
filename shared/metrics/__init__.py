"""Metrics that MONAI lacks, for masks and grades pooled over a set."""

from shared.metrics.validation import validation_metrics

__all__ = ["validation_metrics"]
