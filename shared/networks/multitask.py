"""The multi-task network: one backbone, and for each task of a list its own gate and experts.

Dimensions: B batch, T tasks, S mask tasks, E experts, K classes, C channels, H W rows and columns.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.networks.deeplab import ASPP, ASPP_CHANNELS, RATES, resize
from shared.networks.dispatch import put_rows, take_rows
from shared.networks.experts import GradeExpert, MaskExpert
from shared.networks.mixture import MixtureOfExperts
from shared.networks.resnet import DilatedResNet
from shared.networks.routing import TOP_P, Router, global_average
from shared.networks.standardise import StandardisePooled
from shared.tasks import Task, parse_tasks

GRADE_NORMS = ("batch", "none")


class MultiTaskNetwork(nn.Module):
    """Mixture-of-experts multi-task network, assembled from a task list.

    1. The backbone turns photographs into a low-level map (stride 4) and a high-level map (``output_stride``).
    2. A grade task's gate and experts read the high-level map.
    3. All mask tasks share one depthwise ASPP; their gates read its output, their experts its output upsampled to
       stride 4, once for all, and the low-level map.
    4. Mask logits are mixed at stride 4 and upsampled to the input's size once: bilinear interpolation is linear, so
       this equals mixing at full size.

    With ResNet-50, 3 experts and IDRiD's 7 tasks: 42,372,668 parameters, as published.

    Args:
        tasks: see `shared.tasks.parse_tasks`.
        backbone: ``resnet18`` to ``resnet152``; see `shared.networks.weights.load_imagenet` for its start.
        num_experts: E of every task.
        output_stride: 8 or 16.
        scoring, rule, top_p, eval_top_p, top_k: see `shared.networks.routing.Router`.
        dispatch: ``"sparse"`` (run experts only where selected and needed) or ``"dense"`` (run all, mask the weights).
        dropout: probability in experts and ASPP.
        norm: of the mask experts, ``"batch"`` as published or ``"group"``. While training, an expert's BatchNorm sees
            only the photographs routed to it (and the ASPP's only those that need a mask); GroupNorm does not care.
        grade_norm: ``"batch"`` standardises what grade experts and their gates read (`StandardisePooled`, no
            parameters), ``"none"`` as published.
        output: if given, `forward` returns this one tensor instead of the dict.

    Raises:
        ConfigError: for a bad task list or a value outside its choices.
    """

    mask_axes: list[int]

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        backbone: str = "resnet50",
        num_experts: int = 3,
        output_stride: int = 16,
        scoring: str = "softmax",
        rule: str = TOP_P,
        top_p: float = 0.8,
        eval_top_p: float = 0.75,
        top_k: int = 1,
        dispatch: str = "sparse",
        dropout: float = 0.5,
        norm: str = "batch",
        grade_norm: str = "batch",
        output: str | None = None,
    ) -> None:
        super().__init__()
        task_list = parse_tasks(tasks)
        if output_stride not in RATES:
            raise ConfigError(
                f"output_stride is {output_stride!r}", expected=f"one of {[*RATES]}", fix="correct `output_stride`"
            )
        outputs = ["pred", *(task.name for task in task_list.grades), "gate_logits", "gate_weights"]
        if output is not None and output not in outputs:
            raise ConfigError(f"output is {output!r}", expected=f"one of {outputs}, or null", fix="correct `output`")
        if grade_norm not in GRADE_NORMS:
            raise ConfigError(
                f"grade_norm is {grade_norm!r}", expected=f"one of {GRADE_NORMS}", fix="correct `grade_norm`"
            )
        self.backbone = DilatedResNet(backbone, output_stride=output_stride)
        channels, low_channels = self.backbone.channels, self.backbone.low_channels

        def mixture(gate_channels: int, experts: Iterable[nn.Module]) -> MixtureOfExperts:
            router = Router(
                gate_channels,
                num_experts=num_experts,
                scoring=scoring,
                rule=rule,
                top_p=top_p,
                eval_top_p=eval_top_p,
                top_k=top_k,
            )
            return MixtureOfExperts(router, experts, dispatch=dispatch)

        def grade_experts(task: Task) -> list[nn.Module]:
            return [GradeExpert(channels, num_classes=task.num_classes, dropout=dropout) for _ in range(num_experts)]

        self.standardise = StandardisePooled(channels) if grade_norm == "batch" else nn.Identity()
        self.grades = nn.ModuleDict({task.name: mixture(channels, grade_experts(task)) for task in task_list.grades})
        self.aspp = None
        if task_list.masks:
            self.aspp = ASPP(channels, rates=RATES[output_stride], depthwise=True, dropout=dropout)
        self.masks = nn.ModuleDict(
            {
                task.name: mixture(
                    ASPP_CHANNELS, [MaskExpert(low_channels, dropout=dropout, norm=norm) for _ in range(num_experts)]
                )
                for task in task_list.masks
            }
        )
        self.names = task_list.names
        self.axis = {name: index for index, name in enumerate(self.names)}
        self.mask_axes = [self.axis[task.name] for task in task_list.masks]
        self.num_experts = num_experts
        self.sparse, self.output = dispatch == "sparse", output

    def set_routing_rule(self, rule: str) -> None:
        """Set the rule by which every gate selects experts in training; see `Router.set_rule`."""
        for module in self.modules():
            if isinstance(module, Router):
                module.set_rule(rule)

    def forward(
        self, image_B3HW: Tensor, needed_BT: Tensor | None = None, gate_logits_BTE: Tensor | None = None
    ) -> dict[str, Tensor] | Tensor:
        """Predict every task.

        Args:
            image_B3HW: normalised photographs of any size.
            needed_BT: bool, which photograph needs which task; all by default. No expert runs for other pairs: their
                outputs and gates are zeros, not to be read.
            gate_logits_BTE: hold the routing fixed at these gate logits, such as an earlier call's ``gate_logits``.

        Returns:
            ``pred`` [B,S,H,W] mask logits; one [B,K] of logits under the name of each grade task; ``gate_logits`` and
            ``gate_weights`` [B,T,E], the weights renormalised over the selected experts and exactly 0 elsewhere. Or the
            one tensor called ``output``.
        """
        num_rows, device = image_B3HW.shape[0], image_B3HW.device
        if needed_BT is None:
            needed = torch.ones([num_rows, len(self.names)], dtype=torch.bool, device=device)
        else:
            needed = needed_BT.to(device)
        low, high = self.backbone(image_B3HW)
        outputs: dict[str, Tensor] = {}
        gates: dict[str, tuple[Tensor, Tensor]] = {}

        standard = self.standardise(high)
        pooled_BC = global_average(standard, image_B3HW.dtype)
        for name, grade_mixture in self.grades.items():
            fixed = None if gate_logits_BTE is None else gate_logits_BTE[:, self.axis[name]]
            outputs[name], logits, weights = grade_mixture(pooled_BC, [standard], needed[:, self.axis[name]], fixed)
            gates[name] = (logits, weights)

        rows: Tensor | None = None
        if self.sparse and needed_BT is not None:
            rows = needed_BT.cpu()[:, self.mask_axes].any(dim=1).nonzero().flatten()
        maps: list[Tensor] = []
        if self.aspp is not None and (rows is None or rows.numel() > 0):
            low, needed = take_rows(low, rows), take_rows(needed, rows)
            pyramid = self.aspp(take_rows(high, rows))
            pooled_BC = global_average(pyramid, image_B3HW.dtype)
            pyramid = resize(pyramid, like=low)
            for name, mask_mixture in self.masks.items():
                fixed = None if gate_logits_BTE is None else take_rows(gate_logits_BTE[:, self.axis[name]], rows)
                map_B1HW, logits, weights = mask_mixture(pooled_BC, [pyramid, low], needed[:, self.axis[name]], fixed)
                maps.append(map_B1HW)
                gates[name] = (put_rows(logits, rows, num_rows), put_rows(weights, rows, num_rows))

        if len(maps) > 0:
            outputs["pred"] = resize(put_rows(torch.cat(maps, dim=1), rows, num_rows), like=image_B3HW)
        else:
            outputs["pred"] = pooled_BC.new_zeros(
                [num_rows, len(self.mask_axes), image_B3HW.shape[2], image_B3HW.shape[3]]
            )
        zeros_BE = pooled_BC.new_zeros([num_rows, self.num_experts])
        idle = (zeros_BE, zeros_BE)
        outputs["gate_logits"] = torch.stack([gates.get(name, idle)[0] for name in self.names], dim=1)
        outputs["gate_weights"] = torch.stack([gates.get(name, idle)[1] for name in self.names], dim=1)
        if self.output is not None:
            return outputs[self.output]
        return outputs


def parameter_groups(
    network: nn.Module, *, learning_rate: float, backbone_factor: float = 0.1, weight_decay: float = 1e-4
) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: the backbone learns more slowly than the rest.

    Args:
        network: one with an attribute ``backbone``.
        learning_rate: of everything but the backbone.
        backbone_factor: the backbone's rate as a fraction of it (published: 3e-5 against 3e-4).
        weight_decay: of all parameters.

    Returns:
        the group ``"backbone"`` and the group ``"heads"``.
    """
    backbone = list(network.get_submodule("backbone").parameters())
    known = {id(parameter) for parameter in backbone}
    heads = [parameter for parameter in network.parameters() if id(parameter) not in known]
    rates = (("backbone", backbone, learning_rate * backbone_factor), ("heads", heads, learning_rate))
    return [{"name": name, "params": params, "lr": lr, "weight_decay": weight_decay} for name, params, lr in rates]
