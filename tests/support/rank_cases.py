"""A few training steps of each kind of loss, by one process or by several that share every batch.

Each case is called on every rank and, for comparison, without ranks; it gives what has to be the same: losses of the
steps, weights after them, and what else the engine keeps.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from ignite.engine import Events
from monai.losses import DiceFocalLoss
from torch import Tensor, nn

from shared.engines import (
    MultiTaskTrainer,
    PrepareLabels,
    SemiSupervisedTrainer,
    make_method,
    start_teacher,
    trained_parameters,
)
from shared.handlers import AverageGradients
from shared.losses import GateLoss, MultiTaskLoss, RecordedLoss, SegmentationLoss
from shared.networks import MultiTaskNetwork, make_sharing_network
from shared.ranks import num_ranks, rank
from shared.workflow import distribute
from shared.workflow.enter import forget_scripts, use_scripts_of
from tests.support.bundle import REPOSITORY
from tests.support.frozen import freeze
from tests.support.scans import TinyUNet

TASKS = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    {"name": "MA", "kind": "mask"},
    {"name": "OD", "kind": "mask"},
]
# Of four photographs, of which rank 0 has the first and the third: it holds no mask, and rank 1 no MER.
LABELLED = [[1, 1, 0, 0], [1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 0]]


def own(whole: Tensor) -> Tensor:
    """This rank's share of a batch."""
    return whole[rank() :: num_ranks()]


def parallel(network: nn.Module, *, unused: bool = False) -> nn.Module:
    """The network for steps of all ranks."""
    if num_ranks() == 1:
        return network
    return nn.parallel.DistributedDataParallel(network, find_unused_parameters=True) if unused else distribute(network)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def photographs() -> dict[str, Any]:
    """Experts, one for each photograph, with losses of missing labels and the gates' memory."""
    torch.manual_seed(3)
    network = freeze(MultiTaskNetwork(tasks=TASKS, backbone="resnet18", num_experts=3, rule="top_k", top_k=1))
    model = parallel(network, unused=True)
    gates = GateLoss(balance=0.5, entropy=0.1, z=0.1, memory=0.5, num_tasks=4, num_experts=3)
    loss = MultiTaskLoss(
        tasks=TASKS,
        grade_losses=[nn.CrossEntropyLoss()],
        mask_losses=[DiceFocalLoss(sigmoid=True)],
        gate_loss=gates,
        weights={"OD": 2.0},
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    random = torch.Generator().manual_seed(5)
    terms = []
    used = torch.zeros(len(TASKS), 3, dtype=torch.bool)
    for _ in range(3):
        image = torch.randn(4, 3, 64, 64, generator=random)
        labels = {
            "masks": (torch.rand(4, 2, 64, 64, generator=random) > 0.7).to(torch.uint8),
            "grades": torch.randint(0, 3, (4, 2), generator=random),
            "labelled": torch.tensor(LABELLED).bool(),
        }
        image, labels = own(image), {key: own(value) for key, value in labels.items()}
        outputs = model(image, labels["labelled"])
        used |= (outputs["gate_weights"] * labels["labelled"][..., None] > 0).any(0)
        optimizer.zero_grad()
        loss(outputs, labels).backward()
        optimizer.step()
        terms.append(loss.last_terms)
    return {"terms": terms, "weights": weights(network), "memory": gates.mean_TE, "used": used}


def class_maps(**settings: Any) -> dict[str, Any]:
    """A loss of class maps, of images whose classes differ in size."""
    torch.manual_seed(3)
    network = freeze(TinyUNet(channels=1, classes=4))
    model = parallel(network)
    loss = RecordedLoss(SegmentationLoss(num_classes=4, **settings))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    random = torch.Generator().manual_seed(5)
    terms = []
    for _ in range(3):
        image, label = own(torch.randn(4, 1, 16, 16, generator=random)), torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
        for place in range(4):
            label[place, :, : 4 * place] = place
        optimizer.zero_grad()
        loss(model(image), own(label)).backward()
        optimizer.step()
        terms.append(loss.last_terms)
    return {"terms": terms, "weights": weights(network)}


def scans(method_name: str) -> dict[str, Any]:
    """The semi-supervised trainer, with its noise, and its teacher."""
    torch.manual_seed(3)
    network = freeze(TinyUNet(channels=1, classes=4))
    method = make_method(method_name, num_classes=4, rampup_epochs=1, ema_decay=0.7)
    teacher = start_teacher(network=network, method=method)
    random = torch.Generator().manual_seed(5)
    labelled = torch.tensor([True, True, False, False, False, False])
    batches = [
        {
            "image": own(torch.rand(6, 1, 16, 16, generator=random)),
            "label": own(torch.randint(0, 4, (6, 1, 16, 16), generator=random)),
            "labelled": own(labelled),
        }
        for _ in range(3)
    ]
    terms: list[dict[str, Tensor]] = []
    trainer = SemiSupervisedTrainer(
        device="cpu",
        max_epochs=2,
        train_data_loader=batches,
        network=parallel(network),
        teacher=parallel(teacher) if method.trains_teacher else teacher,
        method=method,
        loss_function=SegmentationLoss(num_classes=4, batch_dice=True),
        optimizer=torch.optim.SGD(trained_parameters(student=network, teacher=teacher), lr=0.1),
        passes="together",
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: terms.append(engine.loss_function.last_terms))
    trainer.run()
    return {"terms": terms, "weights": weights(network), "teacher": weights(teacher)}


def pets(weighting: str) -> dict[str, Any]:
    """The trainer of mask, species and box, whose labels lie on one rank or the other."""
    path = list(sys.path)
    use_scripts_of(str(REPOSITORY / "bundles" / "pets_mtl"))
    from scripts.loss import PetLoss
    from scripts.weights import choose_aggregator, choose_weighting

    torch.manual_seed(3)
    tasks = [
        {"name": "pet", "kind": "mask"},
        {"name": "species", "kind": "grade", "num_classes": 2},
        {"name": "box", "kind": "box"},
    ]
    network = freeze(make_sharing_network(tasks=tasks, sharing="hard", backbone="unet", channels=[4, 4, 4, 4]))
    loss = PetLoss(tasks=tasks, weighting=choose_weighting(weighting, tasks=tasks))
    random = torch.Generator().manual_seed(5)
    labels = PrepareLabels(["masks", "counted", "grades", "labelled", "box", "has_box"])
    batches = []
    for number in range(4):
        whole = {
            "image": torch.randn(4, 3, 32, 32, generator=random),
            "masks": (torch.rand(4, 1, 32, 32, generator=random) > 0.5).to(torch.uint8),
            "counted": torch.ones(4, 1, 32, 32, dtype=torch.uint8),
            "grades": torch.randint(0, 2, (4, 1), generator=random),
            "labelled": torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1]]).bool(),
            "box": torch.rand(4, 4, generator=random),
            "has_box": torch.tensor([False, True, False, number > 1]),
        }
        batches.append({key: own(value) for key, value in whole.items()})
    terms: list[dict[str, Tensor]] = []
    trainer = MultiTaskTrainer(
        aggregator=choose_aggregator(weighting, tasks=tasks),
        device="cpu",
        max_epochs=1,
        train_data_loader=batches,
        network=parallel(network, unused=True),
        loss_function=loss,
        optimizer=torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=0.1),
        prepare_batch=labels,
        accumulation_steps=2,
        decollate=False,
        train_handlers=[AverageGradients(module=loss)],
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: terms.append(engine.loss_function.last_terms))
    trainer.run()
    forget_scripts()
    sys.path[:] = path
    return {"terms": terms, "weights": weights(network), "loss": weights(loss)}


CASES = {
    "photographs": photographs,
    "maps, mean over images": lambda: class_maps(name="dice_focal"),
    "maps, dice over the batch": lambda: class_maps(name="dice_cross_entropy", batch_dice=True),
    "maps, weighted classes": lambda: class_maps(name="cross_entropy", class_weights=[0.1, 1.0, 2.0, 4.0]),
    "maps, tversky over the batch": lambda: class_maps(name="tversky", batch_dice=True),
    "pets, fixed": lambda: pets("fixed"),
    "pets, uncertainty": lambda: pets("uncertainty"),
    "pets, pcgrad": lambda: pets("pcgrad"),
    "pets, cagrad": lambda: pets("cagrad"),
    "scans, mean teacher": lambda: scans("mean_teacher"),
    "scans, cross pseudo": lambda: scans("cross_pseudo"),
    "scans, supervised": lambda: scans("supervised"),
}


def all_cases() -> dict[str, Any]:
    """Every case."""
    return {name: case() for name, case in CASES.items()}
