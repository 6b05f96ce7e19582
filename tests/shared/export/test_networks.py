"""Every network that a bundle's configurations can build says the same as TorchScript and as ONNX, at several sizes."""

import io
import json

import pytest
import torch

from shared.errors import ExportError
from shared.export.check import check_equal, largest_difference, random_images
from shared.export.onnx_file import run_onnx, to_onnx
from shared.export.outputs import divisor_of, outputs_of
from shared.export.script import run_torchscript, to_torchscript
from shared.networks import (
    DeepLabV3Plus,
    Ensemble,
    MultiTaskNetwork,
    ResNetClassifier,
    SegmentationUNet,
    make_disc_unet,
    make_sharing_network,
)
from shared.networks.experts import MapExpert
from shared.networks.mixture import MixtureOfExperts
from shared.networks.routing import Router

GRADES = [{"name": "RG", "kind": "grade", "num_classes": 5}]
MASKS = [{"name": "MA", "kind": "mask"}]
PETS = [
    {"name": "pet", "kind": "mask"},
    {"name": "species", "kind": "grade", "num_classes": 2},
    {"name": "box", "kind": "box"},
]
SMALL = {"channels": [4, 4, 4, 8]}
THIN = {"channels": [4, 4, 4, 4, 4]}
ROUTES = {
    "softmax top_p": {},
    "sigmoid top_p": {"scoring": "sigmoid"},
    "top_k": {"rule": "top_k", "top_k": 2},
    "dense rule": {"rule": "dense"},
}


def experts(dispatch="dense", **options):
    return MultiTaskNetwork(tasks=GRADES + MASKS, backbone="resnet18", num_experts=2, dispatch=dispatch, **options)


class Routed(torch.nn.Module):
    """A gate and three small experts: all that a routing rule changes."""

    def __init__(self, dispatch, **options):
        super().__init__()
        router = Router(3, num_experts=3, **options)
        torch.nn.init.normal_(router.linear.weight, std=20.0)
        self.mixture = MixtureOfExperts(router, [MapExpert(3) for _ in range(3)], dispatch=dispatch)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        needed = torch.ones([image.shape[0]], dtype=torch.bool, device=image.device)
        mixed = self.mixture(image, [image], needed)
        return {"pred": mixed.output, "gate_weights": mixed.weights_BE}


def ensemble():
    members = [{"network": SegmentationUNet(backbone="resnet10_narrow")} for _ in range(2)]
    return Ensemble(members=members, weights=[1, 3])


NETWORKS = {
    "experts": experts,
    "experts_group_norm": lambda: experts(norm="group", grade_norm="none"),
    "classifier": lambda: ResNetClassifier(tasks=GRADES, backbone="resnet18"),
    "deeplab": lambda: DeepLabV3Plus(tasks=MASKS, backbone="resnet18"),
    "unet": lambda: SegmentationUNet(backbone="resnet10_narrow", in_channels=1),
    "unet_vgg": lambda: SegmentationUNet(backbone="vgg11_bn", in_channels=3),
    "ensemble": ensemble,
    "padded": lambda: make_disc_unet("padded", **THIN),
    "classic": lambda: make_disc_unet("classic", **THIN),
    "hard": lambda: make_sharing_network(tasks=PETS, **SMALL),
    "hard_resnet": lambda: make_sharing_network(tasks=PETS, backbone="resnet10_narrow"),
    "cross_stitch": lambda: make_sharing_network(tasks=PETS, sharing="cross_stitch", **SMALL),
    "moe": lambda: make_sharing_network(tasks=PETS, sharing="moe", num_experts=2, **SMALL),
}


def made(make):
    """In evaluation mode, with weights that tell outputs apart, and what BatchNorm learns of the data."""
    torch.manual_seed(0)
    network = make()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def channels_in(network):
    return next(module.in_channels for module in network.modules() if isinstance(module, torch.nn.Conv2d))


def images_for(network):
    return random_images(channels_in(network), (64, 96), divisor=divisor_of(network))


@pytest.mark.parametrize("name", NETWORKS)
def test_both_forms_give_what_the_network_gives(name):
    network = made(NETWORKS[name])
    images = images_for(network)
    assert len(images) == (3 if divisor_of(network) == 1 else 2)
    script = run_torchscript(to_torchscript(network, metadata={"name": name}, description={}))
    content = to_onnx(network, in_channels=channels_in(network), description={"bundle": name})
    for form, run in (("model.ts", script), ("model.onnx", run_onnx(content, threads=1))):
        differences = check_equal(run, lambda image: outputs_of(network, image), images, name=form)
        assert differences.keys() == images.keys()
    assert next(iter(script(next(iter(images.values()))))) == "pred"


@pytest.mark.parametrize("rule", ROUTES)
def test_every_rule_scripts_either_dispatch_and_exports_the_dense_one(rule):
    sparse, dense = (made(lambda kind=kind: Routed(kind, **ROUTES[rule])) for kind in ("sparse", "dense"))
    dense.load_state_dict(sparse.state_dict())
    images = random_images(3, (64, 96), divisor=1)
    forms = {
        "sparse model.ts": run_torchscript(to_torchscript(sparse, metadata={}, description={})),
        "dense model.ts": run_torchscript(to_torchscript(dense, metadata={}, description={})),
        "model.onnx": run_onnx(to_onnx(dense, in_channels=3, description={})),
    }
    for name, run in forms.items():
        check_equal(run, lambda image: outputs_of(sparse, image), images, name=name)
    weights_BE = torch.cat([outputs_of(sparse, image)["gate_weights"] for image in images.values()])
    assert bool((weights_BE == 0).any()) is (rule != "dense rule")
    assert len(weights_BE.argmax(dim=1).unique()) > 1


def test_the_network_with_experts_is_scripted_sparsely_too():
    sparse, dense = (made(lambda kind=kind: experts(kind)) for kind in ("sparse", "dense"))
    images = images_for(sparse)
    script = run_torchscript(to_torchscript(sparse, metadata={}, description={}))
    check_equal(script, lambda image: outputs_of(dense, image), images, name="model.ts")


@pytest.mark.e2e
def test_the_newer_exporter_gives_the_same_at_every_size():
    """Its own unrolling of an adaptive pool would be wrong at sizes other than the example's."""
    network = made(NETWORKS["hard_resnet"])
    content = to_onnx(network, in_channels=3, description={}, exporter="dynamo")
    images = images_for(network)
    check_equal(run_onnx(content, threads=1), lambda image: outputs_of(network, image), images, name="model.onnx")


def test_sparse_experts_are_refused_as_onnx():
    """Traced, the experts chosen for the example would serve every image."""
    network = made(lambda: Routed("sparse", rule="top_k", top_k=1))
    images = random_images(3, (64, 96), divisor=1)

    def export_and_check():
        content = to_onnx(network, in_channels=3, description={})
        check_equal(run_onnx(content), lambda image: outputs_of(network, image), images, name="model.onnx")

    with pytest.raises(ExportError):
        export_and_check()


def test_the_files_say_what_they_are():
    import onnx
    from monai.data import load_net_with_metadata

    network = made(NETWORKS["hard"])
    description = {"bundle": "pets", "outputs": [{"name": "pred"}], "thresholds": {"pet": 0.4}}
    script, metadata, extra = load_net_with_metadata(
        io.BytesIO(to_torchscript(network, metadata={"name": "Pets"}, description=description)),
        more_extra_files=("export.json",),
    )
    assert metadata["name"] == "Pets"
    assert json.loads(extra["export.json"]) == description
    assert isinstance(script, torch.jit.ScriptModule)
    model = onnx.load_from_string(to_onnx(network, in_channels=3, description=description))
    assert {item.key: json.loads(item.value) for item in model.metadata_props} == description
    assert [node.name for node in model.graph.input] == ["image"]
    assert [node.name for node in model.graph.output] == ["pred", "species", "box"]
    sizes = [
        dimension.dim_param or dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim
    ]
    assert sizes == ["batch", 3, "height", "width"]


def test_sizes_that_the_network_refuses_give_no_numbers():
    network = made(NETWORKS["hard"])
    wrong = torch.randn(1, 3, 72, 64)
    content = to_onnx(network, in_channels=3, description={})
    script = to_torchscript(network, metadata={}, description={})
    for run in (run_onnx(content), run_torchscript(script)):
        with pytest.raises(Exception, match=r"(?i)concat|size|dimension"):
            run(wrong)


def test_another_network_a_lost_output_and_no_number_are_refused():
    network = made(NETWORKS["padded"])
    images = images_for(network)
    (other,) = [made(NETWORKS["padded"])]
    with torch.no_grad():
        next(other.parameters()).mul_(1.5)
    with pytest.raises(ExportError, match=r"model.ts differs from the network by .* random images 1x64x96"):
        check_equal(
            lambda image: outputs_of(other, image), lambda image: outputs_of(network, image), images, name="model.ts"
        )
    one = {"pred": torch.ones(1, 2)}
    with pytest.raises(ExportError, match="the outputs pred"):
        largest_difference({"RG": torch.ones(1, 2)}, one, name="x")
    with pytest.raises(ExportError, match=r"shape \[1, 3\]"):
        largest_difference({"pred": torch.ones(1, 3)}, one, name="x")
    with pytest.raises(ExportError, match="finite"):
        largest_difference({"pred": torch.full((1, 2), float("nan"))}, one, name="x")
    assert largest_difference({"pred": torch.tensor([[1.0, 1.5]])}, one, name="x") == pytest.approx(0.5)
    assert largest_difference({"a": torch.tensor([9.0])}, {"a": torch.tensor([10.0])}, name="x") == pytest.approx(0.1)
