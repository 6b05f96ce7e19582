"""The report of an evaluation on optic discs."""

from scripts.report.handler import DiscReport

__all__ = ["DiscReport"]
