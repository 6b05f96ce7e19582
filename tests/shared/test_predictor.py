"""Every bundle's inference kept open: the same files as a run of inference.json, from a network that is built once."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shared.errors import CheckpointError, ConfigError, DataError, EyeBundlesError
from shared.predictor import Predictor
from tests.support.bundle import REPOSITORY, run
from tests.support.tiny import BUNDLES, TINY, only_accepted
from tests.support.trained import Trained, train

# Differs between any two runs.
OF_THE_RUN = {"run.json", "config.json"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.set_num_threads(1)
    return home


@pytest.fixture(scope="module")
def trained_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Name of a bundle -> its tiny weights, trained once."""
    done: dict[str, Trained] = {}

    def of(bundle: str) -> Trained:
        if bundle not in done:
            done[bundle] = train(bundle, tmp_path_factory.mktemp(bundle))
        return done[bundle]

    return of


def folder(bundle: str) -> Path:
    return REPOSITORY / "bundles" / bundle


def files_of(root: Path) -> dict[str, bytes]:
    """Relative path -> content, less what says when and how."""
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in OF_THE_RUN}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_two_calls_write_what_inference_writes_with_one_network(
    bundle: str, trained_of: Callable[[str], Trained], tmp_path: Path, home: Path
) -> None:
    trained = trained_of(bundle)
    before = sorted(home.rglob("*"))
    predictor = Predictor(folder(bundle), ckpt_path=trained.model, device="cpu", amp=False)
    assert predictor.workflow is not None
    network = predictor.workflow.kept["network"]
    for name in ("first", "second"):
        assert predictor(trained.one, output_dir=tmp_path / name) == tmp_path / name
    assert predictor.workflow.parser.get_parsed_content("evaluator").network is network
    assert sorted(home.rglob("*")) == before

    keys = only_accepted(TINY[bundle].keys, bundle, "inference") | {"ckpt_path": str(trained.model)}
    keys |= {"tracking_uri": f"sqlite:///{trained.model.parents[2] / 'mlflow.db'}"}
    run(bundle, "inference", dataset_dir=str(trained.one), output_dir=str(tmp_path / "run"), **keys)
    expected = files_of(tmp_path / "run")
    assert sum(name.startswith("json/") for name in expected) == 1
    for name in ("first", "second"):
        assert files_of(tmp_path / name) == expected
        assert {file.name for file in (tmp_path / name).glob("*.json")} == OF_THE_RUN
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert config["dataset_dir"] == str(trained.one)
    targets = {item["_target_"] for item in config["handlers"]}
    assert "shared.handlers.LoadModel" in targets
    assert "shared.handlers.TrackRun" not in targets


def test_predictors_of_all_bundles_take_turns(trained_of: Callable[[str], Trained], tmp_path: Path) -> None:
    predictors = {name: Predictor(folder(name), ckpt_path=trained_of(name).model, device="cpu") for name in BUNDLES}
    for turn in range(2):
        for name, predictor in predictors.items():
            done = predictor(trained_of(name).one, output_dir=tmp_path / f"{name}{turn}")
            assert json.loads((done / "run.json").read_text())["bundle"] == name
            assert len(list((done / "json").iterdir())) == 1


def test_what_cannot_be_read_is_one_of_our_errors_and_the_next_call_works(
    trained_of: Callable[[str], Trained], tmp_path: Path
) -> None:
    for bundle in BUNDLES:
        trained = trained_of(bundle)
        predictor = Predictor(folder(bundle), ckpt_path=trained.model, device="cpu")
        for name, content in (("empty.jpg", b""), ("text.png", b"no picture"), ("text.mha", b"no volume")):
            bad = tmp_path / name
            bad.write_bytes(content)
            with pytest.raises(EyeBundlesError):
                predictor(bad, output_dir=tmp_path / "bad")
        with pytest.raises(DataError, match="does not exist"):
            predictor(tmp_path / "nowhere.jpg", output_dir=tmp_path / "bad")
        assert predictor(trained.one, output_dir=tmp_path / bundle).is_dir()


def test_a_path_may_hold_characters_of_the_configuration_language(
    trained_of: Callable[[str], Trained], tmp_path: Path
) -> None:
    trained = trained_of("fundus_od_unet")
    odd = tmp_path / "$a #1 @device %b" / "eye#2.jpg"
    odd.parent.mkdir()
    shutil.copy(trained.one, odd)
    predictor = Predictor(folder("fundus_od_unet"), ckpt_path=trained.model, device="cpu")
    done = predictor(odd, output_dir=odd.parent / "found#3")
    assert [file.name for file in (done / "json").iterdir()] == ["eye#2.json"]


def test_weights_that_change_on_disk_are_read_again(trained_of: Callable[[str], Trained], tmp_path: Path) -> None:
    trained = trained_of("fundus_od_unet")
    for file in (trained.model, trained.model.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    predictor = Predictor(folder("fundus_od_unet"), ckpt_path=tmp_path / "model.pt", device="cpu", keep_largest=False)

    def area(name: str) -> int:
        content = next((predictor(trained.one, output_dir=tmp_path / name) / "json").iterdir()).read_text()
        return int(json.loads(content)["disc"]["area_px"] or 0)

    before = area("before")
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    last = [name for name in state if name.endswith("bias")][-1]
    # Everything becomes disc, or nothing where all was.
    state[last] = torch.tensor([-1e4, 1e4] if not before else [1e4, -1e4])
    torch.save(state, tmp_path / "model.pt")
    assert area("after") != before
    (tmp_path / "model.pt").unlink()
    with pytest.raises(CheckpointError, match="no weights"):
        area("gone")


def test_without_bundle_weights_overlay_or_key_the_error_says_so(
    trained_of: Callable[[str], Trained], tmp_path: Path
) -> None:
    trained, bundle = trained_of("fundus_od_unet"), folder("fundus_od_unet")
    with pytest.raises(ConfigError, match=r"inference\.json does not exist"):
        Predictor(tmp_path)
    with pytest.raises(CheckpointError, match="no weights at"):
        Predictor(bundle, ckpt_path=tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"nonsense\.json does not exist"):
        Predictor(bundle, ckpt_path=trained.model, overlays=["nonsense"])
    with pytest.raises(ConfigError, match="did you mean --keep_largest"):
        Predictor(bundle, ckpt_path=trained.model, keep_larges=True)
    with pytest.raises(CheckpointError, match="trained with other settings"):
        Predictor(bundle, ckpt_path=trained.model, overlays=["quickstart"])
