"""What this bundle's configurations say alike, and what the published system is."""

import torch

from tests.support.bundle import workflow
from tests.support.tiny import read_config

NAME = "retouch_meanteacher"


def test_bscans_are_read_alike():
    train = read_config(NAME, "train")
    own = {"native", "cache_dir", "stream"}
    read = [
        transforms[0]
        for transforms in (
            train["train"]["preprocessing"]["transforms"],
            train["validate"]["preprocessing"]["transforms"],
            read_config(NAME, "inference")["preprocessing"]["transforms"],
            read_config(NAME, "as_published")["+train"]["preprocessing"]["transforms"],
        )
    ]
    alike = [{key: value for key, value in item.items() if key not in own} for item in read]
    assert alike == [alike[0]] * 4
    assert alike[0].keys() == {"_target_", "image_size", "num_classes", "neighbours"}


def test_labels_are_moved_by_nearest_neighbour_alone():
    for item in read_config(NAME, "train")["train"]["preprocessing"]["transforms"]:
        if "label" in item.get("keys", "") and "mode" in item:
            assert dict(zip(item["keys"], item["mode"], strict=True))["label"] == "nearest"


def test_as_published(tiny):
    """systems: 5 + 1 images, Adam 1e-4 with weight decay 2e-4, plateau .1/2, weight 10 over 5 epochs, decay .999."""
    keys = {key: tiny[key] for key in ("dataset_dir", "output_dir", "backbone", "validation_fraction", "tracking_uri")}
    flow = workflow(NAME, "train", "as_published", **keys, labelled_fraction=0.5)
    flow.initialize()
    get = flow.parser.get_parsed_content
    method, scheduler, optimizer = get("consistency"), get("lr_scheduler"), get("optimizer")
    assert (method.consistency_weight, method.rampup_epochs, method.ema_decay) == (10, 5, 0.999)
    assert method.noise_variance == 0.01
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert optimizer.param_groups[0]["weight_decay"] == 2e-4
    assert (scheduler.factor, scheduler.patience, scheduler.mode) == (0.1, 2, "min")
    trainer, sampler = get("train#trainer"), get("train#sampler")
    assert trainer.passes == "apart"
    assert (sampler.batch_size, sampler.unlabelled_batch_size, len(sampler)) == (1, 5, 430)
    assert trainer.state.max_epochs == 200
    assert get("image_size") == [256, 256]
    loss = get("loss")
    assert (loss.parts, loss.dice_weight, loss.pixel_weight) == (("dice", "focal"), 1, 1)
    assert [type(item).__name__ for item in get("train#preprocessing").transforms] == ["LoadBScand", "SelectItemsd"]
