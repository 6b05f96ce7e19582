"""MONAI Label's real server, in its own environment, serves every bundle over HTTP: infer, label, train, choose."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import itk
import nibabel
import numpy as np
import pytest
import requests
import torch
from PIL import Image
from scipy.stats import entropy

from shared.label.build import MAIN, add_bundle, add_examples
from shared.label.names import label_numbers
from shared.networks.routing import Router
from shared.predictor import Predictor
from shared.workflow.enter import use_scripts_of
from shared.workflow.ports import free_port
from tests.support.bundle import REPOSITORY, run
from tests.support.tiny import BUNDLES, TINY, draw, read_config

PYTHON = REPOSITORY / os.environ.get("LABEL_VENV", ".venv-label") / "bin" / "python"
ABSENT = (
    "MONAI Label's environment is not there (make label-environment); in CI it is, and this test then fails instead"
)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.is_file() and not os.environ.get("CI"), reason=ABSENT),
]
NUMBER = 3
TINY_STEP = {"max_epochs": 1, "batches_per_epoch": 1, "num_workers": 0, "val_split": 0.3}
OUTPUTS = {bundle: read_config(bundle, "metadata")["network_data_format"]["outputs"] for bundle in BUNDLES}
WITH_EXPERTS = [bundle for bundle in BUNDLES if "gate_weights" in OUTPUTS[bundle]]


class Server:
    """The running server, its app folder and the folder of images."""

    def __init__(self, address: str, app: Path, studies: Path, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.address, self.app, self.studies, self.log, self.process = address, app, studies, log, process

    def ask(self, method: str, path: str, *, status: int = 200, **more: Any) -> requests.Response:
        answer = requests.request(method, self.address + path, timeout=400, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer

    def images(self, bundle: str) -> list[str]:
        names = self.ask("GET", "/datastore/?output=all").json()["objects"]
        return sorted(name for name in names if name.startswith(bundle))

    def file(self, name: str) -> Path:
        (path,) = self.studies.glob(f"{name}.*")
        return path

    def weights(self, bundle: str) -> str:
        return hashlib.sha256((self.app / "model" / bundle / "models" / "model.pt").read_bytes()).hexdigest()

    def is_well(self) -> None:
        assert self.process.poll() is None
        assert set(self.ask("GET", "/info/").json()["models"]) == set(BUNDLES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m shared label` on a few phantoms of every bundle, with weights of a tiny training."""
    root = tmp_path_factory.mktemp("label")
    app, studies, log, path = root / "app", root / "studies", root / "server.log", list(sys.path)
    environment = os.environ | {"EYE_BUNDLES_HOME": str(root / "home"), "OMP_NUM_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYE_BUNDLES_HOME", str(root / "home"))
        torch.set_num_threads(1)
        for bundle in BUNDLES:
            data, models = str(draw(bundle, root / "data" / bundle)), root / "models" / bundle
            places = {"dataset_dir": data, "output_dir": str(root / "runs" / bundle), "models_dir": str(models)}
            run(bundle, "train", **TINY[bundle].keys | places | {"max_epochs": 1, "batches_per_epoch": 1})
            add_bundle(app, REPOSITORY / "bundles" / bundle, ckpt_path=str(models / "model.pt"))
            part = Path(data) / TINY[bundle].inferred
            images = str(part if part.is_dir() else data)
            add_examples(studies, REPOSITORY / "bundles" / bundle, number=NUMBER, dataset_dir=images)
    sys.path[:] = path
    (app / "main.py").write_text(MAIN)
    port = free_port()
    command = [sys.executable, "-m", "shared", "label", "--app_dir", str(app), "--studies", str(studies)]
    command += ["--port", str(port), "--python", str(PYTHON)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 240
        while not _answers(address):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.3)
        yield Server(address, app, studies, log, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/datastore/", timeout=5).ok
    except requests.RequestException:
        return False


def test_it_says_what_it_serves_and_has(server: Server) -> None:
    info = server.ask("GET", "/info/").json()
    assert set(info["models"]) == set(info["trainers"]) == set(BUNDLES)
    for bundle, model in info["models"].items():
        assert model["labels"] == label_numbers(REPOSITORY / "bundles" / bundle)
        assert set(model["config"]["label_colors"]) == set(model["labels"])
        assert model["type"] == "segmentation"
    assert {"random", "first", "entropy", "disagreement"} <= set(info["strategies"])
    assert server.ask("GET", "/datastore/").json()["total"] == NUMBER * len(BUNDLES)
    said = server.log.read_text()
    assert all(f"{bundle:<24}kept" in said for bundle in BUNDLES)
    assert (server.studies / "PHANTOMS.txt").is_file()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_inference_is_the_bundles_own_in_the_images_geometry(server: Server, bundle: str, tmp_path: Path) -> None:
    name = server.images(bundle)[0]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / server.file(name).name).symlink_to(server.file(name))
    root, path = server.app / "model" / bundle, list(sys.path)
    folder = Predictor(root)(tmp_path / "in", output_dir=tmp_path / "out")
    sys.path[:] = path
    (file,) = folder.glob("json/*.json")
    own = json.loads(file.read_text())
    numbers = label_numbers(root)

    said = server.ask("POST", f"/infer/{bundle}?image={name}&output=json").json()
    for key in own.keys() - {"files", "photograph", "source", "provenance", "remarks"}:
        assert said[key] == own[key], key
    assert said["label_names"] == numbers
    assert 0 <= said["uncertainty"]["entropy"] <= 1
    image = server.ask("POST", f"/infer/{bundle}?image={name}&output=image")
    if volumes := list(folder.glob("volumes/*.nii.gz")):
        assert image.headers["content-disposition"].endswith('.nii.gz"')
        (tmp_path / "label.nii.gz").write_bytes(image.content)
        label, expected = nibabel.load(tmp_path / "label.nii.gz"), nibabel.load(volumes[0])
        source = nibabel.load(server.file(name))
        assert np.array_equal(label.get_fdata(), expected.get_fdata())
        assert label.shape == source.shape
        assert np.allclose(label.affine, source.affine, atol=1e-4)
    else:
        label_HW = np.asarray(Image.open(io.BytesIO(image.content)))
        with Image.open(server.file(name)) as photograph:
            assert label_HW.shape == photograph.size[::-1]
        masks = {kind: np.asarray(Image.open(folder / own["files"][f"mask_{kind}"])) > 0 for kind in numbers}
        assert np.array_equal(label_HW > 0, np.any(list(masks.values()), axis=0))
        for kind, number in numbers.items():
            assert not (label_HW == number)[~masks[kind]].any()
        params = {"params": json.dumps({"result_extension": ".nrrd"})}
        volume = server.ask("POST", f"/infer/{bundle}?image={name}&output=image", data=params)
        (tmp_path / "label.nrrd").write_bytes(volume.content)
        assert np.array_equal(np.asarray(itk.imread(str(tmp_path / "label.nrrd"))), label_HW)
    both = server.ask("POST", f"/infer/{bundle}?image={name}&output=all")
    assert both.headers["content-type"].startswith("multipart/form-data")
    assert image.content[:64] in both.content
    assert b'name="params"' in both.content
    with server.file(name).open("rb") as stream:
        uploaded = server.ask("POST", f"/infer/{bundle}?output=json", files={"file": stream}).json()
    for key in said.keys() - {"photograph", "source", "volume", "latencies", "eye", "remarks"}:
        assert uploaded[key] == said[key], key


@pytest.mark.parametrize("bundle", [name for name in BUNDLES if "volumes" in TINY[name].phantoms])
def test_one_bscan_as_a_picture_gets_a_picture(server: Server, bundle: str) -> None:
    source = nibabel.load(server.file(server.images(bundle)[0])).get_fdata()
    bscan_HW = source[:, :, 1].T.astype(np.uint8) if source.max() < 256 else (source[:, :, 1].T / 256).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(bscan_HW).save(stream, "PNG")
    files = {"file": ("bscan_001.png", stream.getvalue())}
    answer = server.ask("POST", f"/infer/{bundle}?output=image", files=files)
    assert np.asarray(Image.open(io.BytesIO(answer.content))).shape == bscan_HW.shape


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_most_uncertain_image_is_chosen(server: Server, bundle: str, tmp_path: Path) -> None:
    """As computed here with SciPy, from the configuration's parts and not by its evaluator."""
    names = server.images(bundle)
    expected = {name: own_uncertainty(server.app / "model" / bundle, server.file(name), tmp_path) for name in names}
    for measure in expected[names[0]]:
        params = {"model": bundle, "images": names}
        answer = server.ask("POST", f"/activelearning/{measure}", json=params).json()
        best = max(names, key=lambda name: expected[name][measure])
        assert answer["id"] == best, (measure, expected, answer)
        assert answer[measure] == pytest.approx(expected[best][measure], abs=1e-5)
        second, first = sorted(values[measure] for values in expected.values())[-2:]
        assert first - second > 5 * abs(answer[measure] - first), "not told apart by rounding"
        assert answer["compared"] == len(names)
    if bundle not in WITH_EXPERTS:
        params = {"model": bundle, "images": names}
        refused = server.ask("POST", "/activelearning/disagreement", json=params, status=400)
        assert "no experts" in refused.json()["detail"]


def own_uncertainty(root: Path, file: Path, folder: Path) -> dict[str, float]:
    path = list(sys.path)
    use_scripts_of(str(root))
    place = folder / file.name
    place.mkdir()
    (place / file.name).symlink_to(file)
    flow = workflow_of(root, place)
    network = flow.parser.get_parsed_content("network")
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    network.eval()
    dataset, inferer, post = (flow.parser.get_parsed_content(key) for key in ("dataset", "inferer", "postprocessing"))
    tasks = flow.parser.config.get("tasks")
    values: dict[str, list[float]] = {"entropy": []}
    for item in dataset:
        image = torch.as_tensor(item["image"]).as_subclass(torch.Tensor)[None].float()
        with torch.no_grad():
            given = inferer(image, network)
            one = {key: value[0] for key, value in given.items()} if isinstance(given, dict) else given[0]
            values["entropy"].append(mean_entropy(post(dict(item) | {"pred": one}), tasks))
            if any(isinstance(module, Router) for module in network.modules()) and "gate_weights" in one:
                values.setdefault("disagreement", []).append(divergence(network, image, tasks))
    sys.path[:] = path
    return {measure: float(np.mean(found)) for measure, found in values.items()}


def workflow_of(root: Path, place: Path) -> Any:
    from monai.bundle import ConfigWorkflow

    config = str(root / "configs" / "inference.json")
    flow = ConfigWorkflow(config, workflow_type="infer", logging_file=False, dataset_dir=str(place))
    flow.parser.parse(True)
    return flow


def mean_entropy(output: Any, tasks: list[dict[str, Any]] | None) -> float:
    maps = np.asarray(output["pred"])
    if tasks is None:
        return float(entropy(maps, axis=0, base=len(maps)).mean())
    parts = [entropy(np.stack([maps, 1 - maps]), axis=0, base=2).mean()]
    grades = [task for task in tasks if task["kind"] == "grade"]
    parts += [entropy(np.asarray(output[task["name"]]), base=task["num_classes"]) for task in grades]
    return float(np.mean(parts))


def divergence(network: torch.nn.Module, image: torch.Tensor, tasks: list[dict[str, Any]]) -> float:
    """By gates that are rebuilt to choose one expert whatever they see."""
    answers = []
    routers = [module for module in network.modules() if isinstance(module, Router)]
    for expert in range(routers[0].linear.out_features):
        alone = deepcopy(network)
        for module in alone.modules():
            if isinstance(module, Router):
                torch.nn.init.zeros_(module.linear.weight)
                torch.nn.init.constant_(module.linear.bias, -60.0)
                module.linear.bias.data[expert] = 60.0
        given = alone(image)
        masks = [task["name"] for task in tasks if task["kind"] == "mask"]
        answer = {name: given["pred"][0, place].sigmoid().numpy() for place, name in enumerate(masks)}
        said = {name: np.stack([map_, 1 - map_]) for name, map_ in answer.items()}
        said |= {task["name"]: given[task["name"]][0].softmax(0).numpy() for task in tasks if task["kind"] == "grade"}
        answers.append(said)
    found = []
    for name in answers[0]:
        each = np.stack([answer[name] for answer in answers]).astype(np.float64)
        most = np.log(min(len(each), each.shape[1]))
        found.append(np.mean(entropy(each.mean(0), axis=0) - np.mean([entropy(one, axis=0) for one in each], 0)) / most)
    return float(np.mean(found))


def test_first_and_random_choose_as_monai_label_does(server: Server) -> None:
    everything = sorted(server.ask("GET", "/datastore/?output=all").json()["objects"])
    assert server.ask("POST", "/activelearning/first").json()["id"] == everything[0]
    assert server.ask("POST", "/activelearning/random").json()["id"] in everything


@pytest.mark.parametrize("bundle", BUNDLES)
def test_batch_inference_saves_labels_of_what_it_can_read(server: Server, bundle: str) -> None:
    tag = f"batch_{bundle}"
    done = server.ask("POST", f"/batch/infer/{bundle}?run_sync=true", json={"label_tag": tag}).json()
    assert len(done) == NUMBER * len(BUNDLES)
    for name in server.images(bundle):
        assert done[name]["label"] == name
        assert list((server.studies / "labels" / tag).glob(f"{name}.*"))
    assert all("error" in item or item["label"] for item in done.values())
    if bundle in WITH_EXPERTS:
        assert any("error" in item for item in done.values()), "volumes are no photographs"


@pytest.mark.parametrize("bundle", BUNDLES)
def test_training_on_saved_labels_changes_the_answers(server: Server, bundle: str) -> None:
    names = server.images(bundle)[:2]
    for name in names:
        suffix, content = drawn_label(server, bundle, name)
        params = {"model": bundle} | ({"grades": {"RG": 1, "MER": 0}} if bundle in WITH_EXPERTS else {})
        saved = server.ask(
            "PUT",
            f"/datastore/label?image={name}",
            files={"label": (f"label{suffix}", content)},
            data={"params": json.dumps(params)},
        )
        assert saved.json() == {"image": name, "label": name}
        got = server.ask("GET", f"/datastore/label?label={name}&tag=final")
        assert got.content == content
    before, old = server.weights(bundle), server.ask("POST", f"/infer/{bundle}?image={names[0]}&output=json").json()
    in_background = BUNDLES.index(bundle) % 2 == 0
    server.ask("POST", f"/train/{bundle}?run_sync={not in_background}", json=TINY_STEP)
    end = time.monotonic() + 400
    while in_background and (state := server.ask("GET", "/train/").json())["status"] not in ("DONE", "ERROR"):
        assert time.monotonic() < end
        time.sleep(0.5)
    if in_background:
        assert state["status"] == "DONE", state["details"]
    assert server.weights(bundle) != before
    facts = json.loads((server.app / "model" / bundle / "models" / "model.json").read_text())
    assert facts["phantom"] is True
    assert (server.app / "model" / bundle / "models" / "previous" / "model.pt").is_file()
    split = json.loads(next((server.app / "runs" / bundle).glob("*/split.json")).read_text())
    assert sorted(name for part, members in split["parts"].items() if part != "unlabelled" for name in members) == names
    new = server.ask("POST", f"/infer/{bundle}?image={names[0]}&output=json").json()
    assert new["uncertainty"] != old["uncertainty"]
    assert new["provenance"]["date"] == facts["date"] != old["provenance"]["date"]
    server.is_well()


def drawn_label(server: Server, bundle: str, name: str) -> tuple[str, bytes]:
    """A label map as a reader would send it: the first label in the middle of the image."""
    answer = server.ask("POST", f"/infer/{bundle}?image={name}&output=image")
    if 'nii.gz"' in answer.headers["content-disposition"]:
        return ".nii.gz", answer.content
    label_HW = np.zeros_like(np.asarray(Image.open(io.BytesIO(answer.content))))
    height, width = label_HW.shape
    label_HW[height // 3 : height // 2, width // 3 : width // 2] = 1
    stream = io.BytesIO()
    Image.fromarray(label_HW).save(stream, "PNG")
    return ".png", stream.getvalue()


def test_training_without_labels_says_what_is_missing(server: Server, tmp_path: Path) -> None:
    bundle = BUNDLES[0]
    names = server.images(bundle)
    for name in names:
        server.ask("DELETE", f"/datastore/label?id={name}&tag=final", status=200)
    refused = server.ask("POST", f"/train/{bundle}?run_sync=true", json=TINY_STEP, status=422)
    assert "at least 2" in refused.json()["detail"]
    server.is_well()


def test_what_is_not_there_is_404(server: Server) -> None:
    name = server.images(BUNDLES[0])[0]
    for path in (f"/infer/nobody?image={name}", "/train/nobody", "/batch/infer/nobody", "/activelearning/nobody"):
        said = server.ask("POST", path, status=404).json()["detail"]
        assert "nobody" in said
        assert BUNDLES[0] in said or "entropy" in said
    for image in ("nothing", "/etc/passwd", "../../etc/passwd"):
        assert image in server.ask("POST", f"/infer/{BUNDLES[0]}?image={image}", status=404).json()["detail"]
    server.ask("GET", "/datastore/image?image=nothing", status=404)
    label = {"label": ("x.png", b"x")}
    server.ask("PUT", "/datastore/label?image=nothing", files=label, status=404)
    server.is_well()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_uploads_that_are_no_images_are_refused(server: Server, bundle: str) -> None:
    with server.file(server.images(bundle)[0]).open("rb") as stream:
        cut = stream.read()[:300]
    suffix = "".join(server.file(server.images(bundle)[0]).suffixes)
    bad = {
        "empty.png": b"",
        "notes.txt": b"no image",
        "text.jpg": b"no image either",
        f"cut{suffix}": cut,
        "bomb.png": bomb(30_000),
    }
    total = server.ask("GET", "/datastore/").json()["total"]
    for name, content in bad.items():
        for method, path in (("POST", f"/infer/{bundle}"), ("PUT", "/datastore/")):
            said = server.ask(method, path, files={"file": (name, content)}, status=422).json()["detail"]
            assert "expected:" in said, (name, said)
    assert server.ask("GET", "/datastore/").json()["total"] == total
    server.is_well()


def bomb(side: int) -> bytes:
    """A PNG of some 100 kB with ``side`` x ``side`` black pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, packer = bytes(side // 8 + 1) * 1000, zlib.compressobj(9)
    packed = b"".join(packer.compress(rows) for _ in range(side // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_more_than_200_megabytes_are_refused(server: Server) -> None:
    """Of a length that is said beforehand, and of one that is not."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for body in (start + bytes(201_000_000), itertools.chain([start], (bytes(1_000_000) for _ in range(201)))):
        said = server.ask("PUT", "/datastore/", data=body, headers=headers, status=413)
        assert "200 MB" in said.json()["detail"]
    server.is_well()


def test_labels_and_names_that_do_not_fit_are_refused(server: Server) -> None:
    photographs = [name for bundle in WITH_EXPERTS for name in server.images(bundle)]
    stream = io.BytesIO()
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(stream, "PNG")
    small = {"label": ("label.png", stream.getvalue())}
    said = server.ask("PUT", f"/datastore/label?image={photographs[0]}", files=small, status=422).json()["detail"]
    assert "7x5" in said
    colours = {"label": ("label.jpg", server.file(photographs[0]).read_bytes())}
    said = server.ask("PUT", f"/datastore/label?image={photographs[0]}", files=colours, status=422).json()["detail"]
    assert "channels" in said
    image = {"file": ("a.jpg", server.file(photographs[0]).read_bytes())}
    for name in ("../outside", "/tmp/outside", ".hidden"):
        server.ask("PUT", f"/datastore/?image={requests.utils.quote(name, safe='')}", files=image, status=422)
    label = {"label": ("label.png", stream.getvalue())}
    server.ask("PUT", f"/datastore/label?image={photographs[0]}&tag=../outside", files=label, status=422)
    server.ask("POST", f"/infer/{WITH_EXPERTS[0]}?image={photographs[0]}", data={"params": "{no"}, status=400)
    params = {"params": json.dumps({"result_extension": ".exe"})}
    server.ask("POST", f"/infer/{WITH_EXPERTS[0]}?image={photographs[0]}", data=params, status=422)
    server.is_well()


def test_an_uploaded_image_is_kept_and_removed(server: Server) -> None:
    bundle = WITH_EXPERTS[0]
    content = server.file(server.images(bundle)[0]).read_bytes()
    kept = server.ask("PUT", "/datastore/?image=visitor", files={"file": ("any.JPG", content)}).json()
    assert kept == {"image": "visitor"}
    assert server.ask("POST", f"/infer/{bundle}?image=visitor&output=json").json()["height"]
    server.ask("DELETE", "/datastore?id=visitor")
    server.ask("POST", f"/infer/{bundle}?image=visitor&output=json", status=404)
    server.is_well()


def test_a_taken_port_is_named_with_another(server: Server, tmp_path: Path) -> None:
    port = server.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "shared", "label", "--port", port, "--python", str(PYTHON)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "make label PORT=" in done.stderr
