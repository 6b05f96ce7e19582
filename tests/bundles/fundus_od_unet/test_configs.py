"""What this bundle's configurations say alike, and what the published system is."""

import torch

from shared.networks import ClassicUNet
from tests.support.bundle import workflow
from tests.support.tiny import read_config

NAME = "fundus_od_unet"
SCALE = {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1}


def test_photographs_are_read_alike():
    train = read_config(NAME, "train")
    lists = [
        train["train"]["preprocessing"]["transforms"],
        train["validate"]["preprocessing"]["transforms"],
        read_config(NAME, "as_published")["+train"]["preprocessing"]["transforms"],
        read_config(NAME, "inference")["preprocessing"]["transforms"],
    ]
    alike = [{key: value for key, value in items[0].items() if key not in ("native", "partial")} for items in lists]
    assert alike == [{"_target_": "scripts.load.LoadDiscd", "image_size": "@image_size", "classes": "@classes"}] * 4
    assert all(SCALE in items for items in lists)


def test_labels_are_moved_by_nearest_neighbour_alone():
    for item in read_config(NAME, "train")["train"]["preprocessing"]["transforms"]:
        if "label" in item.get("keys", "") and "mode" in item:
            assert dict(zip(item["keys"], item["mode"], strict=True))["label"] == "nearest"


def test_as_published(tiny):
    """systems: classic U-Net of 7.76 million parameters, 572 in and 388 out, batch 4, Adam 1e-4, 1,000 epochs."""
    own = ("dataset_dir", "output_dir", "tracking_uri", "device", "num_workers")
    flow = workflow(NAME, "train", "as_published", **{key: tiny[key] for key in own}, validation_fraction=0.2)
    flow.initialize()
    get = flow.parser.get_parsed_content
    network, optimizer, loss = get("network"), get("optimizer"), get("loss").loss
    assert type(network) is ClassicUNet
    assert sum(parameter.numel() for parameter in network.parameters()) == 7_760_130
    with torch.no_grad():
        assert network.unpadded(torch.zeros(1, 3, 572, 572)).shape == (1, 2, 388, 388)
    assert get("patch_size") == [388, 388]
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["lr"] == 1e-4
    get("lr_scheduler").step()
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert (loss.name, loss.weights_K.tolist()) == ("cross_entropy", [1, 1])
    trainer = get("train#trainer")
    assert (trainer.state.max_epochs, get("train#sampler").batch_size) == (1000, 4)
    transforms = [type(item).__name__ for item in get("train#preprocessing").transforms]
    assert transforms == [
        "LoadDiscd",
        "SelectItemsd",
        "RandLesionCropd",
        "RandFlipd",
        "RandFlipd",
        "ScaleIntensityRanged",
    ]


def test_the_published_split_tests_nine_of_159(fundus_scripts):
    from scripts.datalist import PUBLISHED_TEST, draw_exactly

    persons = [number // 2 for number in range(159)]
    assert len(draw_exactly(persons, PUBLISHED_TEST, seed=0)) == 9
