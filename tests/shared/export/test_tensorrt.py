"""`inference_trt.json` of every bundle: sound, refused in plain words without a GPU; the ONNX that TensorRT gets."""

import sys

import pytest
import torch
from monai.networks.utils import convert_to_onnx

from shared.errors import ConfigError
from shared.export.check import check_equal, random_images
from shared.export.onnx_file import open_axes, run_onnx
from shared.export.outputs import IMAGE, outputs_of
from shared.export.tensorrt import TensorRTNetwork, check_tensorrt, input_profile, tensorrt_network
from shared.networks import PaddedUNet, make_sharing_network
from tests.support.bundle import workflow
from tests.support.errors import fails_with
from tests.support.tiny import BUNDLES, TINY, draw, only_accepted, read_config

PETS = [{"name": "pet", "kind": "mask"}, {"name": "box", "kind": "box"}]


def has_tensorrt():
    try:
        check_tensorrt()
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_overlay_is_sound_and_refused_without_a_gpu(bundle, home, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    overlay, inference = read_config(bundle, "inference_trt"), read_config(bundle, "inference")
    assert overlay["network"]["_target_"] == "shared.export.tensorrt.tensorrt_network"
    assert overlay.get("dispatch") == ("dense" if "dispatch" in inference else None)
    keys = only_accepted(TINY[bundle].keys, bundle, "inference", "inference_trt")
    keys |= {"dataset_dir": str(draw(bundle, tmp_path / "data") / TINY[bundle].inferred)}
    keys |= {"output_dir": str(tmp_path / "found"), "ckpt_path": str(tmp_path / "model.pt")}
    # MONAI resolves all properties, the evaluator with its network too: here the plain one, whatever the machine has.
    flow = workflow(bundle, "inference", "inference_trt", workflow_type="infer", network="@network_def", **keys)
    flow.initialize()
    assert flow.check_properties() == []

    flow = workflow(bundle, "inference", "inference_trt", workflow_type="infer", **keys)
    flow.initialize()
    arguments = {
        key: flow.parser.get_parsed_content(f"network::{key}") for key in ("in_channels", "image_size", "batch_size")
    }
    profile = input_profile(arguments.pop("in_channels"), **arguments)
    assert [len(shape) for shape in profile[IMAGE]] == [4, 4, 4]
    if not has_tensorrt():
        with fails_with(ConfigError, "cannot run here: tensorrt is not installed"):
            flow.run()
        assert not [path for path in (tmp_path / "found").rglob("*") if path.suffix == ".csv"]


def test_the_error_names_all_that_is_missing():
    if has_tensorrt():
        pytest.skip("TensorRT can run here")
    with pytest.raises(ConfigError, match=r"(?s)tensorrt.*polygraphy.*leave inference_trt\.json out"):
        tensorrt_network(
            network=PaddedUNet(channels=[2, 2]), in_channels=3, image_size=[64, 64], batch_size=1, ckpt_path="model.pt"
        )


def test_the_profile_runs_from_small_to_twice_the_size():
    assert input_profile(3, [736, 880], batch_size=2) == {
        "image": [[1, 3, 64, 64], [1, 3, 736, 880], [2, 3, 1472, 1760]]
    }
    assert input_profile(1, [32, 96], batch_size=1)["image"][0] == [1, 1, 32, 64]


@pytest.mark.parametrize("single", [True, False])
def test_names_and_weights_are_the_networks_own(single, tmp_path):
    """Without TensorRT the engine is the network itself, and only what surrounds it is tested."""
    if has_tensorrt():
        pytest.skip("TensorRT can run here")
    torch.manual_seed(0)
    network = PaddedUNet(channels=[2, 4]) if single else make_sharing_network(tasks=PETS, channels=[4, 4, 4, 8])
    other = PaddedUNet(channels=[2, 4]) if single else make_sharing_network(tasks=PETS, channels=[4, 4, 4, 8])
    wrapped = TensorRTNetwork(network, in_channels=3, plan=tmp_path / "model.pt").eval()
    assert wrapped.state_dict().keys() == network.state_dict().keys()
    wrapped.load_state_dict(other.state_dict())
    image = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        found, expected = wrapped(image), other.eval()(image)
    if single:
        torch.testing.assert_close(found, expected)
    else:
        assert list(found) == ["pred", "box"]
        torch.testing.assert_close(found, dict(expected))
    assert not list(tmp_path.iterdir())


def test_the_onnx_that_trt_compile_would_build_from_equals_the_network(tmp_path):
    """By the call that `TrtCompiler` makes, with the input as a dict; the adaptive pools are the trap."""
    torch.manual_seed(0)
    network = make_sharing_network(tasks=PETS, channels=[4, 4, 4, 8]).eval()
    flat = TensorRTNetwork(network, in_channels=3, plan=tmp_path / "model.pt").engine
    image = torch.randn(1, 3, 64, 96)
    outputs = outputs_of(network, image)
    axes = {name: list(sizes) for name, sizes in open_axes(outputs, image).items()}
    with torch.no_grad():
        model = convert_to_onnx(
            flat,
            {IMAGE: image},
            filename=str(tmp_path / "model.onnx"),
            input_names=[IMAGE],
            output_names=list(outputs),
            dynamic_axes=axes,
            dynamo=False,
        )
    run = run_onnx(model.SerializeToString(), threads=1)
    images = random_images(3, (96, 128), divisor=16)
    check_equal(run, lambda image: outputs_of(network, image), images, name="model.onnx")
