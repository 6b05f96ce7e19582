"""The assembled network against a loop over photographs, tasks and experts; and what it must not run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import ConfigError
from shared.networks.baselines import DeepLabV3Plus, ResNetClassifier
from shared.networks.experts import GradeExpert, MaskExpert
from shared.networks.multitask import MultiTaskNetwork, parameter_groups
from tests.references import moe_loop

GRADES = [{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "MER", "kind": "grade", "num_classes": 3}]
MASKS = [{"name": name, "kind": "mask"} for name in ("MA", "HE", "EX", "SE", "OD")]
IDRID = GRADES + MASKS
MIXED = [MASKS[0], GRADES[0], MASKS[1]]


def build(tasks: list[dict[str, Any]] = MIXED, **options: Any) -> MultiTaskNetwork:
    """A small network whose gates differ between photographs; BatchNorm statistics are not the initial ones."""
    torch.manual_seed(0)
    network = MultiTaskNetwork(tasks=tasks, **{"backbone": "resnet18", "dropout": 0.0, **options})
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "router.linear.weight" in name:
                parameter.mul_(20)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    return network


def frozen_training(network: nn.Module) -> nn.Module:
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network


def photographs(batch: int = 4, size: tuple[int, int] = (64, 80)) -> Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


def reference(network: MultiTaskNetwork, image_B3HW: Tensor, *, p: float) -> dict[str, Tensor]:
    """The published forward pass: every expert upsamples for itself, then its logits, and only then is mixed."""
    outputs, maps = {}, []
    low, high = network.backbone(image_B3HW)
    pyramid = network.aspp(high)
    pooled, running = high.mean(dim=(2, 3)), network.standardise
    mean_C, var_C = running.running_mean_C, running.running_var_C
    if network.training:
        mean_C, var_C = pooled.mean(dim=0), pooled.var(dim=0, unbiased=False)
    high = (high - mean_C[None, :, None, None]) / torch.sqrt(var_C + running.eps)[None, :, None, None]
    for name in network.names:
        mixture = network.grades[name] if name in network.grades else network.masks[name]
        features = high if name in network.grades else pyramid
        scores_BE = torch.softmax(mixture.router.linear(features.mean(dim=(2, 3))), dim=1)

        def full_size(expert: MaskExpert, inputs: list[Tensor]) -> Tensor:
            upsampled = functional.interpolate(inputs[0], size=inputs[1].shape[2:], mode="bilinear")
            return functional.interpolate(expert([upsampled, inputs[1]]), size=image_B3HW.shape[2:], mode="bilinear")

        if name in network.grades:
            outputs[name] = moe_loop.mix(mixture.dispatch.experts, [high], scores_BE, rule="top_p", p=p)
        else:
            experts = [lambda inputs, expert=expert: full_size(expert, inputs) for expert in mixture.dispatch.experts]
            maps.append(moe_loop.mix(experts, [pyramid, low], scores_BE, rule="top_p", p=p))
    return {**outputs, "pred": torch.cat(maps, dim=1)}


def gradients(outputs: dict[str, Tensor], network: nn.Module, image: Tensor) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    loss = sum((outputs[key] * torch.randn(outputs[key].shape, generator=generator)).sum() for key in ("RG", "pred"))
    wanted = [*network.parameters(), image]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return [torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True)]


def test_parameter_counts_are_the_published_ones() -> None:
    networks = {
        42_372_668: MultiTaskNetwork(tasks=IDRID, backbone="resnet50", num_experts=3),
        25_610_312: ResNetClassifier(tasks=GRADES, backbone="resnet50"),
        39_800_581: DeepLabV3Plus(tasks=MASKS, backbone="resnet50", output_stride=8),
    }
    for count, network in networks.items():
        assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_sparse_equals_dense_equals_loop_forward_and_backward(mode: str) -> None:
    results = []
    for way in ("sparse", "dense", "loop"):
        network = build(dispatch="dense" if way == "loop" else way, top_p=0.6, eval_top_p=0.6)
        network = network.eval() if mode == "eval" else frozen_training(network)
        image = photographs().requires_grad_()
        outputs = reference(network, image, p=0.6) if way == "loop" else network(image)
        results.append([outputs["RG"], outputs["pred"], *gradients(outputs, network, image)])
        if way != "loop":
            used_T = (outputs["gate_weights"] > 0).sum(dim=(0, 2))
            assert (used_T < 4 * 3).any(), "some experts should be idle for some photographs"
    for sparse, dense, loop in zip(*results, strict=True):
        scale = float(dense.detach().abs().max())
        torch.testing.assert_close(sparse, dense, rtol=1e-3, atol=1e-4 * scale + 1e-6)
        torch.testing.assert_close(sparse, loop, rtol=1e-3, atol=1e-4 * scale + 1e-6)


def test_bf16_sparse_equals_dense_with_the_routing_held_fixed() -> None:
    image = photographs()
    fixed = build().eval()(image)["gate_logits"].detach()
    outputs = {}
    for dispatch, dtype in (("sparse", torch.bfloat16), ("dense", torch.bfloat16), ("sparse", torch.float32)):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            outputs[dispatch, dtype] = build(dispatch=dispatch).eval()(image, gate_logits_BTE=fixed)
    for key in ("RG", "pred", "gate_weights"):
        sparse, dense, exact = (output[key] for output in outputs.values())
        assert sparse.dtype == torch.float32
        torch.testing.assert_close(sparse, dense, rtol=1e-2, atol=1e-2 * float(dense.abs().max()))
        assert (sparse - exact).norm() <= 0.1 * exact.norm()
    sparse, _, exact = (output["gate_weights"] for output in outputs.values())
    assert torch.equal(sparse, exact)


def count_rows(network: nn.Module, *kinds: type[nn.Module]) -> Counter[str]:
    rows: Counter[str] = Counter()

    def note(name: str) -> Any:
        return lambda _, arguments, __: rows.update({name: arguments[0][0].shape[0]})

    for name, module in network.named_modules():
        if isinstance(module, kinds):
            module.register_forward_hook(note(name))
    return rows


def test_experts_run_on_the_rows_routed_to_them_and_nothing_else() -> None:
    network = build(top_p=0.5, eval_top_p=0.5).eval()
    rows = count_rows(network, GradeExpert, MaskExpert)
    weights_BTE = network(photographs())["gate_weights"]
    for task, name in enumerate(network.names):
        kind = "grades" if name in network.grades else "masks"
        for expert in range(3):
            selected = int((weights_BTE[:, task, expert] > 0).sum())
            assert rows[f"{kind}.{name}.dispatch.experts.{expert}"] == selected
    assert 12 <= sum(rows.values()) < 36, "at p = .5 not every expert should run"


def test_an_expert_that_nobody_selected_gets_no_gradient() -> None:
    network = frozen_training(build(rule="top_k", top_k=1))
    outputs = network(photographs())
    (outputs["pred"].sum() + outputs["RG"].sum()).backward()
    for task, name in enumerate(network.names):
        mixture = network.grades[name] if name in network.grades else network.masks[name]
        for index, expert in enumerate(mixture.dispatch.experts):
            used = bool((outputs["gate_weights"][:, task, index] > 0).any())
            assert all((parameter.grad is not None) == used for parameter in expert.parameters())


@pytest.mark.parametrize("dispatch", ["sparse", "dense"])
def test_what_is_not_needed_is_zero_and_the_rest_is_unchanged(dispatch: str) -> None:
    network, image = build(dispatch=dispatch).eval(), photographs()
    needed_BT = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]]).bool()
    whole, part = network(image), network(image, needed_BT)
    for key, axis in (("pred", [0, 2]), ("RG", [1]), ("gate_logits", [0, 1, 2]), ("gate_weights", [0, 1, 2])):
        mask = needed_BT[:, 1] if key == "RG" else needed_BT[:, axis]
        torch.testing.assert_close(part[key][mask], whole[key][mask], rtol=1e-3, atol=1e-3)
        assert (part[key][~mask] == 0).all()


def test_parts_that_nobody_needs_do_not_run() -> None:
    network, image = build().eval(), photographs()
    rows = count_rows(network, GradeExpert, MaskExpert, type(network.aspp))
    only_grade = network(image, torch.tensor([[0, 1, 0]]).bool().expand(4, 3))
    assert only_grade["pred"].shape == (4, 2, 64, 80)
    assert {name.split(".")[0] for name in rows} == {"grades"}
    rows.clear()
    network(image, torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]).bool())
    assert {name.split(".")[0] for name in rows} == {"aspp", "masks"}
    assert not any("HE" in name for name in rows)
    rows.clear()
    network(image, torch.zeros(4, 3).bool())
    assert not rows


def test_the_aspp_runs_on_photographs_that_need_a_mask() -> None:
    network = build().eval()
    seen = []
    network.aspp.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0].shape[0]))
    network(photographs(), torch.tensor([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 1, 0]]).bool())
    assert seen == [2]


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (33, 50)])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_any_size_and_a_batch_of_one(size: tuple[int, int], batch: int, output_stride: int) -> None:
    network = build(output_stride=output_stride).train()
    outputs = network(photographs(batch, size))
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "pred": (batch, 2, *size),
        "RG": (batch, 5),
        "gate_logits": (batch, 3, 3),
        "gate_weights": (batch, 3, 3),
    }
    (outputs["pred"].mean() + outputs["RG"].mean()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize(("tasks", "masks"), [(GRADES, 0), (MASKS[:2], 2), (MIXED, 2)])
@pytest.mark.parametrize("num_experts", [1, 2])
def test_subsets_of_tasks_and_numbers_of_experts(tasks: list[dict[str, Any]], masks: int, num_experts: int) -> None:
    network = build(tasks, num_experts=num_experts).eval()
    outputs = network(photographs(2))
    assert outputs["pred"].shape == (2, masks, 64, 80)
    assert outputs["gate_weights"].shape == (2, len(tasks), num_experts)
    grades = [task for task in tasks if task["kind"] == "grade"]
    assert [outputs[task["name"]].shape[1] for task in grades] == [task["num_classes"] for task in grades]
    if num_experts == 1:
        assert (outputs["gate_weights"] == 1).all()


def test_gates_are_on_the_axis_of_the_task_list() -> None:
    network = build().eval()
    logits_BTE = network(photographs())["gate_logits"]
    high = network.backbone(photographs()).high
    pyramid, standard = network.aspp(high), network.standardise(high)
    for task, (name, features) in enumerate(zip(["MA", "RG", "HE"], [pyramid, standard, pyramid], strict=True)):
        mixture = network.grades[name] if name == "RG" else network.masks[name]
        torch.testing.assert_close(logits_BTE[:, task], mixture.router.linear(features.mean(dim=(2, 3))))


def test_fixed_gate_logits_fix_the_routing() -> None:
    network = build(eval_top_p=0.6).eval()
    fixed = torch.tensor([[[5.0, 0, 0], [0, 5, 0], [0, 0, 5]]]).expand(4, 3, 3)
    outputs = network(photographs(), gate_logits_BTE=fixed)
    assert torch.equal(outputs["gate_weights"], torch.eye(3).expand(4, 3, 3))
    standard = network.standardise(network.backbone(photographs()).high)
    torch.testing.assert_close(outputs["RG"], network.grades["RG"].dispatch.experts[1]([standard]))


def test_rule_of_training_is_set_for_every_gate() -> None:
    network, image = build(top_p=1e-6), photographs()
    frozen_training(network)
    assert ((network(image)["gate_weights"] > 0).sum(dim=2) == 1).all()
    network.set_routing_rule("dense")
    assert (network(image)["gate_weights"] > 0).all()


@pytest.mark.parametrize("output", ["pred", "RG", "gate_logits", "gate_weights"])
def test_one_output_alone(output: str) -> None:
    image = photographs(1)
    alone = build(output=output).eval()(image)
    torch.testing.assert_close(alone, build().eval()(image)[output])


@pytest.mark.parametrize("dispatch", ["sparse", "dense"])
def test_scripted_network_computes_the_same(dispatch: str) -> None:
    network = build(dispatch=dispatch).eval()
    scripted = torch.jit.script(network)
    needed_BT = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]]).bool()
    for arguments in ((photographs(size=(97, 131)),), (photographs(), needed_BT)):
        expected, found = network(*arguments), scripted(*arguments)
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tasks", [GRADES, MASKS[:1]])
def test_networks_of_one_kind_of_task_and_of_one_output_can_be_scripted(tasks: list[dict[str, Any]]) -> None:
    output = "RG" if tasks is GRADES else "pred"
    network = build(tasks, output=output).eval()
    torch.testing.assert_close(torch.jit.script(network)(photographs(1)), network(photographs(1)), rtol=1e-4, atol=1e-4)


def test_dense_network_has_no_control_flow_that_depends_on_data() -> None:
    network, image = build(dispatch="dense").eval(), photographs(2)
    exported = torch.export.export(network, (photographs(3)[1:],)).module()
    expected, found = network(image), exported(image)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4)


def test_dense_and_sparse_networks_share_their_keys() -> None:
    sparse, dense = build(dispatch="sparse"), build(dispatch="dense")
    dense.load_state_dict(sparse.state_dict(), strict=True)
    assert not any("axis" in key or "names" in key for key in sparse.state_dict())


def test_parameter_groups_cover_everything_once_with_a_slower_backbone() -> None:
    network = build()
    backbone, heads = parameter_groups(network, learning_rate=3e-4, backbone_factor=0.1, weight_decay=1e-4)
    assert (backbone["name"], heads["name"]) == ("backbone", "heads")
    assert backbone["lr"] == pytest.approx(3e-5)
    assert heads["lr"] == 3e-4
    assert {id(p) for p in backbone["params"]} == {id(p) for p in network.backbone.parameters()}
    assert Counter(id(p) for p in backbone["params"] + heads["params"]) == Counter(id(p) for p in network.parameters())
    torch.optim.AdamW([backbone, heads])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "MER"}, r"output is 'MER'[\s\S]*'pred', 'RG'"),
        ({"output_stride": 32}, r"output_stride is 32[\s\S]*8, 16"),
        ({"dispatch": "none"}, "dispatch is 'none'"),
        ({"backbone": "vgg"}, "backbone is 'vgg'"),
        ({"tasks": []}, "task list is empty"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**options)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_deeplab_baseline(output_stride: int) -> None:
    network = DeepLabV3Plus(tasks=MASKS, backbone="resnet18", output_stride=output_stride).train()
    outputs = network(photographs(1, (97, 131)), torch.ones(1, 5).bool())
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {"pred": (1, 5, 97, 131)}
    torch.jit.script(network)


def test_classifier_baseline() -> None:
    network = ResNetClassifier(tasks=GRADES, backbone="resnet18").train()
    outputs = network(photographs(1, (97, 131)), torch.ones(1, 2).bool())
    shapes = {key: tuple(value.shape) for key, value in outputs.items()}
    assert shapes == {"pred": (1, 0, 97, 131), "RG": (1, 5), "MER": (1, 3)}
    torch.jit.script(network)


def test_baselines_refuse_tasks_that_they_cannot_predict() -> None:
    with pytest.raises(ConfigError, match=r"ResNetClassifier was given the tasks \['MA', 'HE'\]"):
        ResNetClassifier(tasks=MIXED)
    with pytest.raises(ConfigError, match=r"DeepLabV3Plus was given the tasks \['RG'\]"):
        DeepLabV3Plus(tasks=MIXED)
