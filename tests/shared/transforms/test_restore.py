import numpy as np
import torch
from PIL import Image

from shared.transforms import RestoreStretchedd


def test_a_map_comes_back_to_where_it_was_stretched_from():
    """Up as PIL's bilinear resizing of the same map; down as its reduction, which averages."""
    small = torch.rand(1, 24, 32, generator=torch.Generator().manual_seed(0))
    for size in ((61, 90), (12, 16), (24, 32)):
        restored = RestoreStretchedd()({"pred": small, "photo_size": torch.tensor(size)})["pred"]
        twin = Image.fromarray(small[0].numpy()).resize(size[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_allclose(restored[0].numpy(), np.asarray(twin), atol=2e-6)


def test_what_is_absent_stays_absent():
    item = {"photo_size": torch.tensor([4, 4])}
    assert RestoreStretchedd(allow_missing_keys=True)(item).keys() == item.keys()
