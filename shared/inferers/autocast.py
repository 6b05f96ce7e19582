"""Mixed precision that also works on a CPU: MONAI's engines only ever autocast for CUDA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.inferers import Inferer, SimpleInferer
from torch import Tensor


def autocast_dtype(device: torch.device | str) -> torch.dtype | None:
    """The reduced precision that is fast on a device, or None where full precision is the right choice.

    Returns:
        bfloat16 on CUDA devices that have it and on CPUs with `avx512_bf16` or AMX; float16 on other CUDA devices.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if kind == "cpu":
        info = Path("/proc/cpuinfo")
        flags = info.read_text().split() if info.is_file() else []
        return torch.bfloat16 if {"avx512_bf16", "amx_bf16"} & set(flags) else None
    return None


def needs_scaler(*, device: torch.device | str, amp: bool) -> bool:
    """Whether training needs a gradient scaler (`amp` of MONAI's trainer): float16 loses small gradients without."""
    return amp and autocast_dtype(device) == torch.float16


def to_float(output: Any) -> Any:
    """Floating-point tensors of a nested output in float32, the rest unchanged."""
    if isinstance(output, Tensor):
        return output.float() if output.is_floating_point() else output
    if isinstance(output, dict):
        return {key: to_float(value) for key, value in output.items()}
    return output


class AutocastInferer(Inferer):
    """Runs another inferer under autocast and returns float32, so that losses are computed in full precision.

    Args:
        amp: whether to use reduced precision at all.
        inferer: what runs the network; default MONAI's `SimpleInferer`.
    """

    def __init__(self, *, amp: bool = True, inferer: Inferer | None = None) -> None:
        super().__init__()
        self.amp, self.inferer = amp, inferer or SimpleInferer()

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Outputs of `network`, float32."""
        dtype = autocast_dtype(inputs.device) if self.amp else None
        with torch.autocast(inputs.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            return to_float(self.inferer(inputs, network, *args, **kwargs))
