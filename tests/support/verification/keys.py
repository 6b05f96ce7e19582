"""Ids that MONAI, MONAI Label, the model zoo and this project ask for, and what stands at them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.verification.read import at, configs, expressions, read

HYPER_PARAMETERS = """dataset_dir output_dir device seed max_epochs batch_size image_size num_workers learning_rate
backbone pretrained amp"""
TRAIN = """bundle_root device dataset_dir output_dir experiment_name tracking_uri network_def network initialize run
train#trainer train#trainer#max_epochs train#dataset train#dataset#data train#inferer train#handlers train#preprocessing
validate#evaluator validate#dataset validate#dataset#data validate#inferer validate#handlers validate#preprocessing
validate#postprocessing validate#key_metric val_interval"""
INFERENCE = """bundle_root device dataset_dir output_dir experiment_name tracking_uri ckpt_path network_def network
inferer dataset dataset#data evaluator handlers preprocessing postprocessing initialize run"""
# A published or compared system is said in full, also where the default happens to be the same.
FULL = re.compile(r"as_published|baseline_\w+")
LONGEST = 90


def check_properties_exist(root: Path) -> None:
    """Every id, and the same under the names by which commands call them."""
    train, evaluate, inference = (read(root, name) for name in ("train", "evaluate", "inference"))
    for name, config, wanted in (("train", train, TRAIN), ("inference", inference, INFERENCE)):
        absent = [place for place in wanted.split() if at(config, place) is None]
        assert not absent, f"{name}.json has no {absent}"
    assert (train["training"], evaluate["evaluating"], inference["inference"]) == ("%run",) * 3
    assert "_meta_" not in str(inference), "MONAI Label does not load the metadata"
    for name, config in (("train", train), ("inference", inference)):
        first, *rest = [item["_target_"] for item in config["initialize"]]
        assert first == "shared.workflow.enter_bundle", f"{name}.json starts otherwise"
        assert "shared.workflow.record_run" in rest, f"runs of {name}.json are not recorded"
        assert config["bundle_root"] == {"_target_": "shared.workflow.bundle_root"}


def check_hyper_parameters(root: Path) -> None:
    """They are at the top, under the names that they have in every bundle."""
    train = read(root, "train")
    absent = set(HYPER_PARAMETERS.split()) - set(train)
    assert not absent, f"not at the top of train.json: {sorted(absent)}"
    assert train["train"]["trainer"]["max_epochs"] == "@max_epochs"
    unknown = read(root, "quickstart").keys() - train.keys()
    assert not unknown, f"quickstart.json sets what train.json has not: {sorted(unknown)}"
    assert len((root / "configs" / "evaluate.json").read_text().splitlines()) < 80


def check_handlers(root: Path) -> None:
    """Literal lists of items with a target: MONAI's checks, its tracking and MONAI Label read them."""
    for name, config in configs(root).items():
        for place in ("train#handlers", "validate#handlers", "handlers"):
            items: Any = at(config, place)
            if items is not None:
                assert isinstance(items, list), f"{name}.json: {place} is no list"
                assert all(isinstance(item, dict) and "_target_" in item for item in items), f"{name}.json: {place}"


def check_expressions(root: Path) -> None:
    """JSON chooses, Python builds."""
    for name, config in configs(root).items():
        for text in expressions(config):
            assert not re.search(r"\blambda\b|\bimport\b|\bopen\(|\bif\b.*\bif\b", text), f"{name}.json: {text}"
            assert not re.search(r"\bfor\b.*\bin\b", text), f"{name}.json: {text} is a comprehension"
            assert len(text) <= LONGEST, f"{name}.json: {text} is long"
            assert not re.search(r"handlers#\d|transforms#\d|\[-?\d*:-?\d*\]", text), f"{name}.json counts: {text}"


def check_overlays(root: Path) -> None:
    """They say only what differs; an overlay may take back what the quickstart, which it may follow, says."""
    train, quickstart = read(root, "train"), read(root, "quickstart")
    for name, config in configs(root).items():
        if name in ("train", "inference") or FULL.fullmatch(name):
            continue
        base = read(root, "inference") if name.startswith("inference_") else train
        same = {key for key, value in config.items() if key in base and base[key] == value}
        same -= quickstart.keys() if name != "quickstart" else set()
        assert not same, f"{name}.json repeats {sorted(same)}"


def check_processes(root: Path) -> None:
    """A run of several processes starts as one by a single process does, with the group joined second."""
    join = {"_target_": "shared.workflow.join_process_group"}
    for name, config in configs(root).items():
        if name.startswith("multi_gpu_") and "initialize" in config:
            base = read(root, "inference" if "inference" in name else "train")
            assert [item for item in config["initialize"] if item != join] == base["initialize"], name
            assert config["initialize"][1] == join, name
            assert config["finalize"][-1] == {"_target_": "shared.workflow.leave_process_group"}, name
