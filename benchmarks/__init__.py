"""Measurements against the published design: `python -m benchmarks`, see README.md."""
