import torch

from shared.metrics.bscan_outcome import bscan_outcome, most_probable, restore


def test_most_probable_is_argmax_also_with_ties():
    torch.manual_seed(0)
    maps = torch.randint(0, 4, (5, 40, 30)) / 4.0
    assert torch.equal(most_probable(maps).long(), maps.argmax(0))
    assert most_probable(maps).dtype == torch.uint8


def test_restored_maps_stay_probabilities_and_lie_over_the_scan():
    maps = torch.zeros(2, 4, 4)
    maps[0, :2], maps[1, 2:] = 1, 1
    large = restore(maps, (16, 12))
    torch.testing.assert_close(large.sum(0), torch.ones(16, 12))
    assert torch.equal(large[1] > 0.5, (torch.arange(16) >= 8)[:, None].expand(16, 12))
    assert restore(maps, (4, 4)).data_ptr() == maps.data_ptr()


def test_the_scan_among_neighbours_is_the_middle_channel():
    image = torch.stack([torch.full((4, 4), value) for value in (0.1, 0.5, 0.9)])
    batch = {"volume": "A", "slice": 3, "native_size": torch.tensor([8, 8]), "image": image}
    outcome = bscan_outcome({"pred": torch.full((2, 4, 4), 0.5)}, batch)
    assert (outcome.image_hw == 0.5).all()
    assert outcome.truth_HW is None
