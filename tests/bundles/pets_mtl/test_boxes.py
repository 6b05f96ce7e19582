"""The box head reaches every part of an image, and gives the same answer to the same image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shared.data.boxes import box_iou
from shared.losses.weighting import FixedWeights
from shared.networks.hard_sharing_unet import HardSharingUNet

pytestmark = pytest.mark.usefixtures("pets_scripts")

BOX = [{"name": "box", "kind": "box"}]
# One head in each quarter of the image: shares of width and height.
CORNERS = torch.tensor([[0.05, 0.1], [0.65, 0.1], [0.05, 0.65], [0.65, 0.65]])
BOXES = torch.cat([CORNERS, CORNERS + torch.tensor([0.25, 0.2])], dim=1)


def images(size: int = 32) -> Tensor:
    """Noise with a bright rectangle at each box."""
    image_4CHW = 0.1 * torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    for image, (left, top, right, bottom) in zip(image_4CHW, (BOXES * size).int().tolist(), strict=True):
        image[:, top:bottom, left:right] += 2
    return image_4CHW


def learn(network: HardSharingUNet, *, steps: int) -> Tensor:
    """Trains on the four images; their predicted boxes, in evaluation mode."""
    from scripts.loss import PetLoss

    labels = {"box": BOXES, "has_box": torch.ones(4, dtype=torch.bool), "labelled": torch.ones(4, 1, dtype=torch.bool)}
    loss = PetLoss(tasks=BOX, weighting=FixedWeights({"box": 1.0}))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(network(images()), labels).backward()
        optimizer.step()
        schedule.step()
    # Running statistics lag behind so short a training.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        network(images())
        return network.eval()(images())["box"]


def make_network(*, box_relu: bool = False) -> HardSharingUNet:
    torch.manual_seed(0)
    return HardSharingUNet(num_masks=0, box=True, channels=(4, 8, 16, 16), box_relu=box_relu)


def test_a_box_in_every_quarter_is_learned_the_upper_left_too() -> None:
    found = learn(make_network(), steps=200)
    iou_4 = box_iou(found, BOXES)
    assert (iou_4 > 0.5).all(), iou_4
    assert (found[0] < 0.4).all(), found[0]


def test_the_published_head_could_not() -> None:
    """A ReLU before the sigmoid: no edge left of or above the middle."""
    found = learn(make_network(box_relu=True), steps=40)
    assert (found >= 0.5).all()
    assert box_iou(found, BOXES)[0] == 0


def test_dropout_is_off_at_evaluation() -> None:
    network = make_network()
    torch.manual_seed(1)
    image = images()
    network.train()
    assert not torch.equal(network(image)["box"], network(image)["box"])
    network.eval()
    assert torch.equal(network(image)["box"], network(image)["box"])
