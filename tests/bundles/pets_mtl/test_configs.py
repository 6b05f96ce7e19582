"""What this bundle's configurations say alike, and what the published system is."""

import pytest
import torch

from shared.losses.weighting import FixedWeights
from tests.support.bundle import workflow
from tests.support.tiny import read_config

NAME = "pets_mtl"
PET, SPECIES, BOX = read_config(NAME, "train")["tasks"]


def transforms_of(name):
    places = {
        "train": ("train", "train", "preprocessing"),
        "validate": ("train", "validate", "preprocessing"),
        "inference": ("inference", "preprocessing"),
        "as_published": ("as_published", "+train", "preprocessing"),
    }
    if name == "evaluate":
        return read_config(NAME, "evaluate")["validate#preprocessing#transforms"]
    file, *keys = places[name]
    content = read_config(NAME, file)
    for key in keys:
        content = content[key]
    return content["transforms"]


def test_images_are_read_and_normalised_alike():
    chains = [transforms_of(name) for name in ("train", "validate", "inference", "as_published", "evaluate")]
    assert [chain[0] for chain in chains] == [{"_target_": "scripts.load.LoadPetd", "image_size": "@image_size"}] * 5
    normalised = [
        {key: value for key, value in item.items() if key != "_desc_"}
        for chain in chains
        for item in chain
        if item["_target_"] == "NormalizeIntensityd"
    ]
    assert normalised == [normalised[0]] * 5
    # Published: .4773 .4458 .3949 and .2280 .2255 .2280.
    assert [round(value / 255, 4) for value in normalised[0]["subtrahend"]] == [0.4773, 0.4458, 0.3949]
    assert [round(value / 255, 4) for value in normalised[0]["divisor"]] == [0.228, 0.2255, 0.228]


def test_what_moves_the_image_moves_mask_and_box():
    chain = transforms_of("train")
    names = [item["_target_"].rsplit(".", 1)[-1] for item in chain]
    moving = [place for place, name in enumerate(names) if name in ("RandFlipd", "RandAffined")]
    assert len(moving) == 2
    assert names.index("AnchorBoxd") < min(moving) < max(moving) < names.index("MoveBoxd")
    for place in moving:
        assert chain[place]["keys"] == ["image", "masks", "counted"]
    assert chain[moving[1]]["mode"] == ["bilinear", "nearest", "nearest"]


@pytest.mark.parametrize(
    ("tasks", "weighting", "parameters"),
    [
        ([PET, SPECIES, BOX], "equal", 3_673_555),
        ([PET, SPECIES], "segmentation_species", 2_361_679),
        ([PET, BOX], "segmentation_box", 3_399_325),
        ([PET], "segmentation", 2_087_449),
    ],
)
def test_as_published(tasks, weighting, parameters, tiny):
    """systems: Adam 1e-4, batch 32, 60 epochs, no augmentation; the four networks' parameters."""
    keys = {key: tiny[key] for key in ("dataset_dir", "output_dir", "tracking_uri")}
    flow = workflow(NAME, "train", "as_published", **keys, tasks=tasks, weighting=weighting)
    flow.initialize()
    get = flow.parser.get_parsed_content
    assert sum(parameter.numel() for parameter in get("network_def").parameters()) == parameters
    optimizer, sampler = get("optimizer"), get("train#sampler")
    assert type(optimizer) is torch.optim.Adam
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (1e-4, 0)
    scheduler = get("lr_scheduler")
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert sampler.batch_size == 32
    assert get("train#trainer").state.max_epochs == 60
    loss = get("loss")
    assert isinstance(loss.weighting, FixedWeights)
    assert sum(loss.weighting.weights.values()) == pytest.approx(1)
    names = [type(item).__name__ for item in get("train#preprocessing").transforms]
    assert names == ["LoadPetd", "SelectItemsd", "StoreUpToHere", "NormalizeIntensityd"]
