"""Mixed precision and sliding windows for several outputs."""

import pytest
import torch
from monai.inferers import SlidingWindowInferer

from shared.inferers import AutocastInferer, MultiTaskSlidingWindowInferer, autocast_dtype, needs_scaler


class TwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 2, 3, padding=1)
        self.dtypes = []

    def forward(self, image, needed_BT=None):
        maps = self.conv(image)
        self.dtypes.append(maps.dtype)
        if needed_BT is not None:
            assert len(needed_BT) == len(image)
        return {"pred": maps, "RG": image.mean((2, 3))}


@pytest.mark.parametrize("batch", [1, 3])
def test_windows_blend_maps_like_monai_and_average_vectors(batch):
    network, image = TwoHeads(), torch.randn(batch, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    options = {"roi_size": (32, 32), "sw_batch_size": 2, "overlap": 0.5, "mode": "gaussian"}
    outputs = MultiTaskSlidingWindowInferer(**options)(image, network, needed_BT=torch.ones(batch, 2, dtype=torch.bool))
    expected = SlidingWindowInferer(**options)(image, network.conv)
    torch.testing.assert_close(outputs["pred"], expected)
    windows = [image[..., y : y + 32, x : x + 32].mean((2, 3)) for y in (0, 8) for x in (0, 16, 24)]
    torch.testing.assert_close(outputs["RG"], torch.stack(windows).mean(0))


def test_without_amp_the_network_runs_in_float32():
    network = TwoHeads()
    AutocastInferer(amp=False)(torch.randn(1, 3, 8, 8), network)
    assert network.dtypes == [torch.float32]


def test_with_amp_the_network_runs_reduced_where_that_is_fast_and_returns_float32():
    network, image = TwoHeads(), torch.randn(1, 3, 8, 8)
    outputs = AutocastInferer(amp=True)(image, network)
    assert network.dtypes == [autocast_dtype("cpu") or torch.float32]
    assert {value.dtype for value in outputs.values()} == {torch.float32}
    torch.testing.assert_close(outputs["pred"], network.conv(image), atol=0.05, rtol=0.05)


def test_only_float16_needs_a_scaler(monkeypatch):
    for dtype, needed in ((torch.float16, True), (torch.bfloat16, False), (None, False)):
        monkeypatch.setattr("shared.inferers.autocast.autocast_dtype", lambda device, dtype=dtype: dtype)
        assert needs_scaler(device="cuda", amp=True) is needed
        assert needs_scaler(device="cuda", amp=False) is False


def test_a_device_without_reduced_precision_keeps_float32():
    assert autocast_dtype("meta") is None
