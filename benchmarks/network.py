"""Network work: a training step or an inference, by our network or by the reference, with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from monai.losses import DiceFocalLoss
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.reference import ReferenceNetwork
from benchmarks.work import to_array
from shared.inferers import AutocastInferer
from shared.losses import GateLoss, MultiTaskLoss, OneHotFocalLoss
from shared.networks import MultiTaskNetwork, parameter_groups
from shared.tasks import GRADE, MASK, TaskList, parse_tasks

TASKS: list[dict[str, Any]] = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    *({"name": name, "kind": "mask"} for name in ("MA", "HE", "EX", "SE", "OD")),
]
KINDS = {"segmentation": (MASK,), "classification": (GRADE,), "joint": (GRADE, MASK)}
# Gate logits that make top-p .75 and .8 take one, two or three experts, over sigmoid and over softmax scores alike.
LOGITS = {1: (4.0, -4.0, -4.0), 2: (0.4, 0.4, -4.0), 3: (-1.5, -1.5, -1.5)}
MIXTURES: dict[str, tuple[int, ...]] = {"1": (1,), "1.5": (1, 2), "3": (3,)}


class NetworkWork:
    """One training step per batch in ``batches``, or one inference where there are none.

    Args:
        design: ``"ours"`` or ``"reference"``.
        experts: ``"1"``, ``"1.5"`` or ``"3"`` per photograph and task, by gate logits held fixed (1.5: every second
            pair has one, the others two); ``"gate"``: dense routing by the network's own gate, which then trains too.
        batches: of ``"segmentation"`` (labelled for masks), ``"classification"`` (for grades), ``"joint"`` (for all).
        size: (height, width) of the photographs.
        batch: how many.
        backbone: of both designs.
        amp: reduced precision where the device has it (ours only).
        dispatch: of ours.
        device, seed: where, and of weights and batches.
    """

    def __init__(
        self,
        *,
        design: str,
        experts: str,
        batches: tuple[str, ...] = (),
        size: tuple[int, int],
        batch: int,
        backbone: str,
        amp: bool = True,
        dispatch: str = "sparse",
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.tasks = parse_tasks(TASKS)
        self.design, self.batches, self.amp = design, batches, amp
        ours = start(self.tasks, backbone=backbone, dispatch=dispatch, seed=seed)
        self.network: nn.Module = ours
        if design == "reference":
            top_p = None if experts == "gate" else 0.8
            self.network = ReferenceNetwork(tasks=self.tasks, backbone=backbone, top_p=top_p)
            self.network.load_ours(ours.state_dict())
            self.network.to(device)
        else:
            if experts == "gate":
                ours.set_routing_rule("dense")
            self.network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(seed)
        self.image_B3HW = torch.randn(batch, 3, *size, generator=generator).to(device)
        self.labels = draw_labels(self.tasks, batch=batch, size=size, generator=generator, device=device)
        self.gate_logits_BTE = None if experts == "gate" else fix_routing(experts, batch, len(self.tasks), device)
        self.loss = published_loss(self.tasks)
        groups = parameter_groups(self.network, learning_rate=3e-4)
        self.optimizer = torch.optim.AdamW(groups) if batches else None
        self.network.train(bool(batches))

    def once(self) -> None:
        if self.optimizer is None:
            self.infer(amp=self.amp)
            return
        for kind in self.batches:
            self.optimizer.zero_grad()
            self.objective(kind, amp=self.amp).backward()
            self.optimizer.step()

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        """Outputs; or for training the loss terms, and all gradients of the heads and of the backbone's first layer,
        through which the others pass, with dropout 0 and BatchNorm frozen (only then are they equal by design)."""
        amp = self.amp and not exact
        if not self.batches:
            return {name: to_array(value) for name, value in self.infer(amp=amp).items() if "gate" not in name}
        found: dict[str, NDArray] = {}
        with deterministic(self.network):
            for kind in self.batches:
                self.network.zero_grad()
                self.objective(kind, amp=amp).backward()
                found |= {f"{kind} loss {name}": to_array(term) for name, term in self.loss.last_terms.items()}
                for name, parameter in self.network.named_parameters():
                    inside = name.startswith("backbone.layer")
                    if not inside and parameter.grad is not None and bool(parameter.grad.any()):
                        found[f"{kind} gradient {common_name(name)}"] = to_array(parameter.grad)
            self.network.zero_grad()
        return found

    def facts(self) -> dict[str, Any]:
        """``experts``: rows that experts ran on, per photograph and task asked for."""
        rows = 0

        def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            nonlocal rows
            rows += output.shape[0]

        experts = [
            module for name, module in self.network.named_modules() if name.rpartition(".")[0].endswith("experts")
        ]
        hooks = [expert.register_forward_hook(count) for expert in experts]
        self.once()
        for hook in hooks:
            hook.remove()
        kinds = self.batches or ("joint",)
        pairs = sum(task.kind in KINDS[kind] for kind in kinds for task in self.tasks) * len(self.image_B3HW)
        return {"experts": rows / pairs}

    @torch.no_grad()
    def infer(self, *, amp: bool) -> dict[str, Tensor]:
        return self.forward(KINDS["joint"], None, amp=amp)

    def objective(self, kind: str, *, amp: bool) -> Tensor:
        labelled_BT = torch.tensor([[task.kind in KINDS[kind] for task in self.tasks]] * len(self.image_B3HW))
        labelled_BT = labelled_BT.to(self.image_B3HW.device)
        outputs = self.forward(KINDS[kind], labelled_BT, amp=amp)
        return self.loss(outputs, self.labels | {"labelled": labelled_BT})

    def forward(self, kinds: tuple[str, ...], needed_BT: Tensor | None, *, amp: bool) -> dict[str, Tensor]:
        if self.design == "reference":
            return self.network(self.image_B3HW, kinds, self.gate_logits_BTE)
        inferer: Callable[..., Any] = AutocastInferer(amp=amp)
        return inferer(self.image_B3HW, self.network, needed_BT=needed_BT, gate_logits_BTE=self.gate_logits_BTE)


def start(tasks: TaskList, *, backbone: str, dispatch: str, seed: int) -> MultiTaskNetwork:
    """A network with random weights, and BatchNorm statistics that are not the initial ones."""
    torch.manual_seed(seed)
    network = MultiTaskNetwork(tasks=tasks, backbone=backbone, scoring="sigmoid", dispatch=dispatch, grade_norm="none")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def published_loss(tasks: TaskList) -> MultiTaskLoss:
    """The published losses, as in `as_published.json`."""
    gates = GateLoss(scoring="sigmoid", sparsity=1.0, balance=1.0, entropy=-1.0, z=0.0, on="raw", reduction="sum")
    return MultiTaskLoss(
        tasks=tasks,
        grade_losses=[nn.CrossEntropyLoss(), OneHotFocalLoss(gamma=4.0, alpha=0.75)],
        mask_losses=[DiceFocalLoss(sigmoid=True, gamma=4.0, alpha=0.75)],
        gate_loss=gates,
    )


def draw_labels(
    tasks: TaskList, *, batch: int, size: tuple[int, int], generator: torch.Generator, device: str
) -> dict[str, Tensor]:
    """Random grades, and masks that cover 1 % of the photograph."""
    masks_BSHW = torch.rand(batch, len(tasks.masks), *size, generator=generator) > 0.99
    grades = [torch.randint(0, task.num_classes, (batch,), generator=generator) for task in tasks.grades]
    return {"masks": masks_BSHW.to(torch.uint8).to(device), "grades": torch.stack(grades, dim=1).to(device)}


def fix_routing(experts: str, batch: int, num_tasks: int, device: str) -> Tensor:
    """Gate logits [B,T,E] for which every photograph and task gets so many experts, not always the same ones."""
    counts = MIXTURES[experts]
    rows = [
        torch.tensor(LOGITS[counts[(b + t) % len(counts)]]).roll(b + 2 * t)
        for b in range(batch)
        for t in range(num_tasks)
    ]
    return torch.stack(rows).reshape(batch, num_tasks, -1).to(device)


def common_name(name: str) -> str:
    """A parameter's name in either design."""
    for ours, theirs in ((".router.linear.", ".gate."), (".dispatch.experts.", ".experts."), (".decoder.", ".")):
        name = name.replace(ours, theirs)
    return name


@contextmanager
def deterministic(network: nn.Module) -> Iterator[None]:
    """Dropout 0 and BatchNorm frozen, while it lasts."""
    dropouts = [module for module in network.modules() if type(module).__name__ == "Dropout"]
    probabilities: list[Any] = [module.p for module in dropouts]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in dropouts:
        module.p = 0.0  # type: ignore[assignment]
    for norm in norms:
        norm.eval()
    yield
    for module, p in zip(dropouts, probabilities, strict=True):
        module.p = p
    for norm in norms:
        norm.train()
