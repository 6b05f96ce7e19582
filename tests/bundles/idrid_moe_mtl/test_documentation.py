"""What the documentation says is run, at reduced size, and every file, key and target in it exists."""

import json
import re
import shlex
from pathlib import Path

import fire
import pytest

from shared.__main__ import main as shared_main
from shared.workflow.keys import accepted_keys, known_keys
from tests.support.bundle import REPOSITORY

CONFIGS = REPOSITORY / "bundles" / "idrid_moe_mtl" / "configs"
DOCUMENTS = ["README.md", "bundles/idrid_moe_mtl/docs/README.md"]
LAUNCHER_KEYS = {"config_file", "standalone", "nproc_per_node"}


def documented_commands():
    """Every command in a code block of the documents, in order, once."""
    lines = []
    for document in DOCUMENTS:
        for block in re.findall(r"```\w*\n(.*?)```", (REPOSITORY / document).read_text(), flags=re.S):
            lines += [line for line in block.strip().splitlines() if line.startswith(("python -m", "torchrun"))]
    return list(dict.fromkeys(lines))


@pytest.mark.parametrize("line", documented_commands())
def test_files_and_keys_exist(line):
    for file in re.findall(r"bundles/\w+/configs/\w+\.json", line):
        assert (REPOSITORY / file).is_file(), file
    if "monai.bundle" in line:
        keys = {word[2:].split("=")[0] for word in shlex.split(line) if word.startswith("--")}
        assert keys <= known_keys(CONFIGS) | LAUNCHER_KEYS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_keys_in_running_text_exist(document):
    keys = set(re.findall(r"`--(\w+)", (REPOSITORY / document).read_text()))
    assert keys <= known_keys(CONFIGS) | {"dataset_dir"}


@pytest.mark.parametrize("document", [*DOCUMENTS, "CONTRIBUTING.md"])
def test_links_and_make_targets_exist(document):
    path = REPOSITORY / document
    text = path.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z][\w-]*)|`make ([a-z][\w-]*)", text, flags=re.M):
        assert re.search(rf"^{target[0] or target[1]}:", makefile, flags=re.M), target


@pytest.mark.timeout(900)
def test_the_documented_commands_run(phantom_idrid, home, tmp_path, monkeypatch, capsys):
    """In order and in one workspace, so that evaluation and inference find what training left."""
    from monai.bundle.scripts import run

    monkeypatch.chdir(REPOSITORY)
    small = {
        "backbone": "resnet18",
        "num_experts": 2,
        "image_size": "[64,80]",
        "max_epochs": 1,
        "batches_per_epoch": 2,
        "batch_size": 2,
        "accumulation_steps": 1,
        "num_workers": 0,
        "amp": False,
        "device": "cpu",
        "bootstrap_samples": 20,
        "phantoms": "{'size':[178,268],'num_masked':[5,2],'num_graded':[10,4],'seed':1}",
    }
    photographs = phantom_idrid / "A. Segmentation" / "1. Original Images" / "b. Testing Set"
    places = {"/data/IDRiD": phantom_idrid, "/data/photographs": photographs, "findings": tmp_path / "findings"}
    kinds = []
    for line in documented_commands():
        words = [str(places.get(word, word)) for word in shlex.split(line)]
        if words[:4] == ["python", "-m", "monai.bundle", "run"]:
            files = re.findall(r"bundles/\w+/configs/\w+\.json", line)
            accepted = accepted_keys([json.loads((REPOSITORY / file).read_text()) for file in files])
            overlays = [Path(file).stem for file in files if Path(file).stem not in ("train", "evaluate", "inference")]
            # Weights go with their overlays only.
            models = tmp_path / "_".join(["models", *overlays])
            small |= {"models_dir": models, "ckpt_path": models / "model.pt"}
            keys = [key for key in small if key in accepted and f"--{key}" not in words]
            fire.Fire(run, command=[*words[4:], *(word for key in keys for word in (f"--{key}", str(small[key])))])
            kinds.append(words[4])
        elif words[:3] == ["python", "-m", "shared"]:
            with pytest.raises(SystemExit) as ended:
                shared_main([*words[3:], "--quick", "--output_dir", str(tmp_path / "doctor")])
            assert ended.value.code == 0
            kinds.append("doctor")
    assert set(kinds) == {"training", "evaluating", "inference", "doctor"}
    assert len(list((home / "runs" / "idrid_moe_mtl").iterdir())) >= 6
    assert (tmp_path / "findings" / "summary.csv").is_file()
    assert (home / "data" / "phantoms").is_dir()
