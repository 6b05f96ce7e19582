"""A trained network of every bundle as TorchScript and ONNX, by our commands and by MONAI's."""

import csv
import json
import sys

import onnx
import onnxruntime
import pytest
import torch
from monai.bundle import ckpt_export, onnx_export
from monai.data import load_net_with_metadata

from shared.__main__ import main
from shared.export.check import check_equal, random_images
from shared.export.images import real_images
from shared.export.onnx_file import run_onnx
from shared.export.outputs import divisor_of, outputs_of
from shared.export.script import run_torchscript
from shared.export.trained import Trained
from tests.support.bundle import REPOSITORY, config_files, run
from tests.support.tiny import BUNDLES, TINY, draw, only_accepted, read_config

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.parametrize("bundle", BUNDLES)]


@pytest.fixture(scope="module")
def trained_of(tmp_path_factory):
    """Name of a bundle -> a tiny trained network and its phantoms, made once."""
    made = {}

    def of(bundle):
        if bundle not in made:
            folder = tmp_path_factory.mktemp(bundle)
            data = draw(bundle, folder / "data")
            small = TINY[bundle].keys | {"max_epochs": 1, "batches_per_epoch": 2, "dataset_dir": str(data)}
            folders = {"output_dir": str(folder / "run"), "models_dir": str(folder / "models")}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "path", list(sys.path))
                patch.setenv("EYE_BUNDLES_HOME", str(folder / "home"))
                run(bundle, "train", **small, **folders)
            made[bundle] = folder / "models" / "model.pt", data / TINY[bundle].inferred
        return made[bundle]

    return of


@pytest.fixture(autouse=True)
def alone(home, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.set_num_threads(1)


def arguments(bundle, model, *more):
    return [str(REPOSITORY / "bundles" / bundle), "--ckpt_path", str(model), *map(str, more)]


def test_export_writes_two_files_that_say_what_they_are(bundle, trained_of, tmp_path, capsys):
    model, images = trained_of(bundle)
    main(["export", *arguments(bundle, model, "--output_dir", tmp_path, "--check_images", images)])
    said = capsys.readouterr().out
    assert said.count("largest difference on") >= 6
    assert "PHANTOMS" in said
    trained = Trained(REPOSITORY / "bundles" / bundle, ckpt_path=str(model))
    network = trained.network()
    real = real_images(trained, images)
    assert real
    script = run_torchscript((tmp_path / "model.ts").read_bytes())
    content = (tmp_path / "model.onnx").read_bytes()
    for run_it in (script, run_onnx(content, threads=1)):
        check_equal(run_it, lambda image: outputs_of(network, image), real, name="file")
    names = [output.name for output in onnxruntime.InferenceSession(content).get_outputs()]
    assert names[0] == "pred"
    assert set(names) == set(trained.metadata["network_data_format"]["outputs"])

    _, metadata, extra = load_net_with_metadata(str(tmp_path / "model.ts"), more_extra_files=("export.json",))
    assert metadata["name"] == trained.metadata["name"]
    said_of_script = json.loads(extra["export.json"])
    props = {item.key: json.loads(item.value) for item in onnx.load_from_string(content).metadata_props}
    assert [output["name"] for output in props["outputs"]] == names
    for output in props["outputs"]:
        assert output["values"]
        assert output["channels"] or output["name"].startswith("gate")
    inference = read_config(bundle, "inference")
    fixed = [item for item in inference["preprocessing"]["transforms"] if "subtrahend" in item or "a_min" in item]
    assert [len(item) for item in props["normalisation"]] == [len(item.keys() - {"keys", "_desc_"}) for item in fixed]
    assert props["settings"] == json.loads(model.with_suffix(".json").read_text())["settings"]
    assert props["input"]["sides_divisible_by"] == divisor_of(network)
    assert props["trained"]["phantom"] is True
    thresholds = model.with_name("thresholds.json")
    assert props["thresholds"] == (json.loads(thresholds.read_text())["thresholds"] if thresholds.is_file() else {})
    assert props.get("dispatch") == ("dense" if "dispatch" in inference else None)
    assert said_of_script.get("dispatch") == inference.get("dispatch")


def test_the_script_stands_in_for_the_network_in_inference(bundle, trained_of, tmp_path):
    model, images = trained_of(bundle)
    main(["export", *arguments(bundle, model, "--output_dir", tmp_path, "--formats", "torchscript")])
    keys = only_accepted(TINY[bundle].keys, bundle, "inference")
    keys |= {"dataset_dir": str(images), "ckpt_path": str(model)}
    loaded = {"_target_": "torch.jit.load", "f": str(tmp_path / "model.ts"), "map_location": "cpu"}
    for name, more in (("own", {}), ("script", {"network_def": loaded})):
        run(bundle, "inference", workflow_type="infer", output_dir=str(tmp_path / name), **keys, **more)
    tables = sorted(path.relative_to(tmp_path / "own") for path in (tmp_path / "own").rglob("*.csv"))
    assert any(len((tmp_path / "own" / table).read_text().splitlines()) > 1 for table in tables)
    for table in tables:
        own, script = (list(csv.reader((tmp_path / name / table).open())) for name in ("own", "script"))
        for row, other in zip(own, script, strict=True):
            for cell, same in zip(row, other, strict=True):
                assert cell == same or float(cell) == pytest.approx(float(same), rel=1e-3, abs=1e-4)


def test_latency_times_forms_that_agree(bundle, trained_of, tmp_path, capsys):
    model, images = trained_of(bundle)
    table = tmp_path / "latency.csv"
    main(["latency", *arguments(bundle, model, "--check_images", images, "--repeats", 6, "--output", table)])
    rows = list(csv.DictReader(table.open()))
    forms = [row["form"] for row in rows]
    assert len(forms) == (6 if "dispatch" in read_config(bundle, "inference") else 4)
    assert forms[0].startswith("eager")
    assert forms[-1] == "inference.json"
    assert all(float(row["low"]) <= float(row["milliseconds"]) <= float(row["high"]) for row in rows)
    assert all(float(row["difference"]) <= 1e-4 for row in rows[:-1])
    assert float(rows[0]["speedup"]) == 1
    assert all(form in capsys.readouterr().out for form in forms[:1])


def test_monais_own_commands_export_too(bundle, trained_of, tmp_path):
    model, _ = trained_of(bundle)
    root = REPOSITORY / "bundles" / bundle
    keys = only_accepted(TINY[bundle].keys, bundle, "inference")
    (config,) = config_files(bundle, "inference")
    common = {"config_file": config, "ckpt_file": str(model), "meta_file": str(root / "configs" / "metadata.json")}
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), bundle_root=str(root), **common, **keys)
    trained = Trained(root, ckpt_path=str(model))
    network = trained.network()
    images = random_images(trained.in_channels, (64, 96), divisor=32)
    script = run_torchscript((tmp_path / "model.ts").read_bytes())
    check_equal(script, lambda image: outputs_of(network, image), images, name="ckpt_export's file")

    first = next(iter(images.values()))
    names = list(outputs_of(network, first))
    keys |= {"dispatch": "dense"} if trained.dispatch else {}
    onnx_export(
        "network_def",
        filepath=str(tmp_path / "model.onnx"),
        input_shape=list(first.shape),
        converter_kwargs={
            "input_names": ["image"],
            "output_names": list(network(first))[:] if len(names) > 1 else names,
        },
        **common,
        **keys,
    )
    found = run_onnx((tmp_path / "model.onnx").read_bytes(), threads=1)(first)
    expected = outputs_of(network, first)
    check_equal(lambda image: {name: found[name] for name in names}, lambda image: expected, {"one": first}, name="x")
