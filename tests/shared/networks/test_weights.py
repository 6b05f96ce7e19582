"""ImageNet weights: real downloads from a local server, files good and bad, and what `auto` means."""

from __future__ import annotations

import functools
import hashlib
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor

from shared.engines import start_network
from shared.errors import CheckpointError
from shared.networks import SegmentationUNet, weights
from shared.networks.resnet import DilatedResNet
from shared.networks.weights import adapt_channels, load_imagenet, resolve_pretrained
from tests.shared.networks.test_resnet import torchvision_keys
from tests.shared.networks.test_unet import vgg_keys

WAYS_OUT = r"--pretrained /path/to/[\s\S]*--pretrained scratch"


def imagenet_state(name: str) -> dict[str, Tensor]:
    """A state dict in the official format, with random values, classifier included."""
    generator = torch.Generator().manual_seed(7)
    shapes = {**torchvision_keys(name), "fc.weight": (1000, 512 if name in ("resnet18", "resnet34") else 2048)}
    state = {key: torch.rand(shape, generator=generator) for key, shape in shapes.items()}
    counters = {key: torch.tensor(0) for key in state if key.endswith("num_batches_tracked")}
    return {**state, **counters, "fc.bias": torch.rand(1000, generator=generator)}


@pytest.fixture(scope="session")
def state() -> dict[str, Tensor]:
    return imagenet_state("resnet18")


@pytest.fixture
def backbone() -> DilatedResNet:
    return DilatedResNet("resnet18")


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def base_url(server_folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(server_folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def official_file(state: dict[str, Tensor], server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Serve a file named after its hash, as the official ones are."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    draft = server_folder / "draft.pth"
    torch.save(state, draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
    file = draft.rename(server_folder / f"resnet18-{digest}.pth")
    monkeypatch.setitem(weights.IMAGENET_FILES, "resnet18", file.name)
    return file


def assert_loaded(backbone: DilatedResNet, state: dict[str, Tensor]) -> None:
    found = backbone.state_dict()
    assert set(state) - set(found) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, state[key]) for key, value in found.items())


def test_download_is_checked_loaded_and_kept(
    backbone: DilatedResNet, state: dict[str, Tensor], official_file: Path, base_url: str, tmp_path: Path
) -> None:
    assert load_imagenet(backbone, base_url=base_url, cache_dir=str(tmp_path), progress=False) is backbone
    assert_loaded(backbone, state)
    nowhere = DilatedResNet("resnet18")
    load_imagenet(nowhere, base_url="http://127.0.0.1:1/", cache_dir=str(tmp_path), progress=False)
    assert_loaded(nowhere, state)


def test_wrong_hash_is_refused_and_not_kept(
    backbone: DilatedResNet, official_file: Path, base_url: str, tmp_path: Path
) -> None:
    with official_file.open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match=r"invalid hash value[\s\S]*SHA-256[\s\S]*" + WAYS_OUT):
        load_imagenet(backbone, base_url=base_url, cache_dir=str(tmp_path), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_missing_on_the_server(backbone: DilatedResNet, official_file: Path, base_url: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"404[\s\S]*" + WAYS_OUT):
        load_imagenet(backbone, base_url=base_url + "elsewhere", cache_dir=str(tmp_path), progress=False)


def test_offline(backbone: DilatedResNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"refused[\s\S]*resnet18-f37072fd.pth[\s\S]*" + WAYS_OUT):
        load_imagenet(backbone, base_url=url, cache_dir=str(tmp_path), progress=False)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_file_in_the_official_format_loads_strictly(name: str, tmp_path: Path) -> None:
    state, backbone = imagenet_state(name), DilatedResNet(name, output_stride=8)
    assert len(state) == {"resnet18": 122, "resnet50": 320}[name]
    torch.save(state, tmp_path / "file.pth")
    load_imagenet(backbone, str(tmp_path / "file.pth"))
    assert_loaded(backbone, state)


def test_old_files_without_batch_counters_load(
    backbone: DilatedResNet, state: dict[str, Tensor], tmp_path: Path
) -> None:
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "file.pth")
    load_imagenet(backbone, str(tmp_path / "file.pth"))
    assert torch.equal(backbone.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


class Code:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this must never run",))


def test_files_that_do_not_fit(
    backbone: DilatedResNet, state: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {key: value for key, value in state.items() if key != "layer2.0.conv1.weight"}
    cases = {
        r"1 keys missing: layer2.0.conv1.weight[\s\S]*122 keys": missing,
        r"1 keys too many: extra.weight": {**state, "extra.weight": torch.ones(1)},
        r"1 keys of another shape: conv1.weight \[64, 1, 7, 7\], not \[64, 3, 7, 7\]": {
            **state,
            "conv1.weight": torch.ones(64, 1, 7, 7),
        },
        r"keys too many: layer1.0.bn3[\s\S]*set `backbone` to the architecture": imagenet_state("resnet50"),
        r"no state dict but a list": [torch.ones(1)],
        r"no state dict but a dict with keys \['epoch', 'model'\]": {"model": state, "epoch": 3},
        rf"cannot be read as weights[\s\S]*{WAYS_OUT}": Code(),
    }
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    for message, content in cases.items():
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(CheckpointError, match=message):
            load_imagenet(backbone, str(tmp_path / "file.pth"))
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 half a zip", b"\x80\x02}q\x00."])
def test_files_that_are_no_weights(backbone: DilatedResNet, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"file\.pth"):
        load_imagenet(backbone, str(tmp_path / "file.pth"))


def test_a_truncated_file(backbone: DilatedResNet, state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "whole.pth")
    (tmp_path / "file.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:1_000_000])
    with pytest.raises(CheckpointError, match=r"file\.pth cannot be read as weights"):
        load_imagenet(backbone, str(tmp_path / "file.pth"))


def test_scratch_leaves_the_backbone_and_says_so(backbone: DilatedResNet, caplog: pytest.LogCaptureFixture) -> None:
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with caplog.at_level(logging.INFO):
        load_imagenet(backbone, "scratch")
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert "resnet18: random weights" in caplog.text


@pytest.mark.parametrize(
    ("choice", "phantoms", "expected", "said"),
    [
        ("auto", True, "scratch", "random weights (pretrained=auto, phantoms)"),
        ("auto", False, "imagenet", "imagenet (pretrained=auto, real data)"),
        ("imagenet", True, "imagenet", "starts from imagenet"),
        ("scratch", False, "scratch", "starts from random weights"),
    ],
)
def test_resolve(choice: str, phantoms: bool, expected: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert resolve_pretrained(choice, phantoms) == expected
    assert said in caplog.text


def test_resolve_a_path(tmp_path: Path) -> None:
    file = tmp_path / "file.pth"
    with pytest.raises(CheckpointError, match=r"no such file[\s\S]*--pretrained scratch"):
        resolve_pretrained(str(file), phantoms=False)
    file.touch()
    assert resolve_pretrained(str(file), phantoms=False) == str(file)


def test_resolve_a_mistyped_word() -> None:
    with pytest.raises(CheckpointError, match=r"'imagnet'[\s\S]*did you mean `--pretrained imagenet`"):
        resolve_pretrained("imagnet", phantoms=False)


def vgg_state(name: str) -> dict[str, Tensor]:
    """A state dict in the official format; the classifier's layers have torchvision's names and small shapes."""
    generator = torch.Generator().manual_seed(7)
    state = {key: torch.rand(shape, generator=generator) for key, shape in vgg_keys(name).items()}
    state |= {key: torch.tensor(0) for key in state if key.endswith("num_batches_tracked")}
    return state | {f"classifier.{layer}.{part}": torch.rand(4) for layer in (0, 3, 6) for part in ("weight", "bias")}


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_files_load_strictly_into_encoders_of_grey_scans(name: str, channels: int, tmp_path: Path) -> None:
    state = imagenet_state(name) if name.startswith("resnet") else vgg_state(name)
    torch.save(state, tmp_path / "file.pth")
    network = SegmentationUNet(backbone=name, in_channels=channels)
    head = network.segmentation_head[0].weight.clone()
    start_network(network=network, pretrained=str(tmp_path / "file.pth"), phantoms=False, device="cpu")
    found = network.encoder.state_dict()
    first = network.encoder.first_convolution
    assert all(torch.equal(value, state[key]) for key, value in found.items() if key != first)
    torch.testing.assert_close(found[first], adapt_channels(state[first], channels))
    assert torch.equal(network.segmentation_head[0].weight, head)


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_the_adapted_convolution_gives_what_the_three_colours_give_for_grey(channels: int) -> None:
    torch.manual_seed(0)
    weight, grey = torch.randn(4, 3, 7, 7), torch.rand(2, 1, 16, 16)
    expected = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight, padding=3)
    found = torch.nn.functional.conv2d(grey.expand(-1, channels, -1, -1), adapt_channels(weight, channels), padding=3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_files_of_vgg_that_do_not_fit(tmp_path: Path) -> None:
    encoder = SegmentationUNet(backbone="vgg11_bn").encoder
    torch.save(vgg_state("vgg13_bn"), tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match=r"does not fit vgg11_bn[\s\S]*keys of torchvision's vgg11_bn"):
        load_imagenet(encoder, str(tmp_path / "file.pth"))
    grey = vgg_state("vgg11_bn")
    grey["features.0.weight"] = torch.rand(64, 2, 3, 3)
    torch.save(grey, tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match=r"features\.0\.weight \[64, 2, 3, 3\], not \[64, 1, 3, 3\]"):
        load_imagenet(encoder, str(tmp_path / "file.pth"))


def test_encoders_without_imagenet_weights_say_so() -> None:
    encoder = SegmentationUNet(backbone="resnet10_narrow").encoder
    with pytest.raises(CheckpointError, match=r"no ImageNet weights of resnet10_narrow[\s\S]*--pretrained scratch"):
        load_imagenet(encoder, "imagenet")
    assert load_imagenet(encoder, "scratch") is encoder
