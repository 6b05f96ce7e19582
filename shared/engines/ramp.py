"""The sigmoid-shaped ramp of the consistency weight.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017, section 3; Laine and Aila 2017.
"""

from __future__ import annotations

import math


def ramp(epoch: float, *, rampup_epochs: float) -> float:
    """Share of the full weight: ``exp(-5 (1 - t)^2)`` with ``t = epoch / rampup_epochs`` held in 0..1.

    Args:
        epoch: epochs done, fractions included; 0 at the first step.
        rampup_epochs: length of the ramp; 0 for the full weight from the start.

    Returns:
        e^-5 = .0067 at the start, 1 from ``rampup_epochs`` on.
    """
    if rampup_epochs <= 0:
        return 1.0
    t = min(max(epoch / rampup_epochs, 0.0), 1.0)
    return math.exp(-5.0 * (1.0 - t) ** 2)
