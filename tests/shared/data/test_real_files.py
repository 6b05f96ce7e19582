"""Our readers on the real IDRiD files, against other decoders.

ITK for JPEG; it reads palette TIFFs as zeros, so those are decoded step by step.
"""

from __future__ import annotations

from pathlib import Path

import itk
import numpy as np
import pytest

from shared.data.photograph import read_mask, read_photograph
from tests.references.tiff_lzw import read_lzw_tiff

pytestmark = pytest.mark.real


def decoded_by_itk(path: Path) -> np.ndarray:
    return itk.array_from_image(itk.imread(str(path)))


def test_photographs_decode_alike_in_full_and_scaled(real_idrid: Path) -> None:
    paths = sorted(real_idrid.glob("A.*/1.*/a.*/*.jpg"))[::27] + sorted(real_idrid.glob("B.*/1.*/a.*/*.jpg"))[::60]
    assert len(paths) == 9
    for path in paths:
        expected = decoded_by_itk(path).astype(np.int16)
        full = read_photograph(path)
        assert full.full_size == expected.shape[:2]
        difference = np.abs(full.pixels_HW3 - expected)
        assert difference.mean() < 0.5
        quarter = read_photograph(path, at_least=(full.full_size[0] / 4, 1)).pixels_HW3
        height, width = full.full_size
        means = expected.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))
        assert quarter.shape == means.shape
        assert np.abs(quarter - means).mean() < 1.5


def test_masks_decode_alike(real_idrid: Path) -> None:
    paths = sorted(real_idrid.glob("A.*/2.*/a.*/*/*.tif"))[::24]
    assert len(paths) == 11
    for path in paths:
        expected = read_lzw_tiff(path)
        mask = read_mask(path, size=(2848, 4288))
        assert set(np.unique(expected)) == {0, 1}
        assert (mask == (expected == 1)).all()
