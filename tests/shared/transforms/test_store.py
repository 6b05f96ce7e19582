"""What is stored ends at the mark."""

from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose, NormalizeIntensityd, Transform
from PIL import Image

from shared.data.mapped import MappedDataset
from shared.transforms import StoreUpToHere


class ReadPicture(Transform):
    def __call__(self, data: dict) -> dict:
        return {"image": torch.from_numpy(np.array(Image.open(data["image"]))[None])}


def test_bytes_are_stored_and_floats_come_out(tmp_path: Path) -> None:
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    normalise = NormalizeIntensityd("image", subtrahend=10.0, divisor=2.0)
    kinds = {}
    for marked in (True, False):
        chain = Compose([ReadPicture(), *([StoreUpToHere()] if marked else []), normalise])
        data = MappedDataset([{"image": str(tmp_path / "a.png")}], chain, cache_dir=tmp_path)
        image = data[0]["image"]
        torch.testing.assert_close(torch.as_tensor(image), (torch.arange(64.0).reshape(1, 8, 8) - 10) / 2)
        kinds[marked] = data.stored(0)["image"].dtype
    assert kinds == {True: torch.uint8, False: torch.float32}
