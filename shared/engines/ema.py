"""The exponential moving average that makes a teacher of a student.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017, equation 2.
"""

from __future__ import annotations

import torch
from torch import nn

RAMP_DECAY = 0.99


def ema_decay(step: int, *, ramping: bool, decay: float) -> float:
    """How much of the teacher stays: ``min(1 - 1 / (step + 1), .99)`` while the weight ramps, ``decay`` afterwards.

    Args:
        step: updates made before this one: at the first (0) the teacher becomes the student; as long as .99 is not
            reached it is the plain mean of all students so far.
        ramping: whether the consistency weight still grows.
        decay: after the ramp, 0..1.
    """
    return min(1.0 - 1.0 / (step + 1), RAMP_DECAY) if ramping else decay


@torch.no_grad()
def update_average(teacher: nn.Module, student: nn.Module, *, decay: float) -> None:
    """``teacher = decay * teacher + (1 - decay) * student``, in place, for all parameters and floating-point buffers.

    Integer buffers (BatchNorm's counters) are copied. Nothing of the student's memory is shared.

    Raises:
        ValueError: the two differ in their parameters or buffers.
    """
    source = getattr(student, "module", student)
    averaged, new = [], []
    own, theirs = dict(teacher.state_dict()), dict(source.state_dict())
    if own.keys() != theirs.keys():
        raise ValueError(f"teacher and student differ in {sorted(own.keys() ^ theirs.keys())[:4]}")
    for name, value in own.items():
        if value.is_floating_point():
            averaged.append(value)
            new.append(theirs[name])
        else:
            value.copy_(theirs[name])
    torch._foreach_lerp_(averaged, new, weight=1.0 - decay)
