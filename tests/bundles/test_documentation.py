"""Of every bundle: what the documentation says is run, at reduced size, and every file, key and target in it exists."""

import re
import shlex
from pathlib import Path

import fire
import pytest

from shared.__main__ import main as shared_main
from shared.workflow.keys import known_keys
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES, TINY, as_words, only_accepted

LAUNCHER_KEYS = {"config_file", "standalone", "nproc_per_node"}
OTHER_DOCUMENTS = ["CONTRIBUTING.md", "docs/architecture.md", "docs/studies.md"]


def documents_of(bundle):
    return ["README.md", f"bundles/{bundle}/docs/README.md"]


def documented_commands(bundle):
    """Every command of a bundle in a code block of the documents, in order, once."""
    lines = []
    for document in documents_of(bundle):
        for block in re.findall(r"```\w*\n(.*?)```", (REPOSITORY / document).read_text(), flags=re.S):
            lines += [line for line in block.strip().splitlines() if line.startswith(("python -m", "torchrun"))]
    own = (f"bundles/{bundle}", *(str(path) for path in Path("studies").glob("*")))
    short = bundle.split("_")[0]
    return [line for line in dict.fromkeys(lines) if any(word in line for word in own) or f"studies/{short}" in line]


@pytest.mark.parametrize(
    ("bundle", "line"), [(bundle, line) for bundle in BUNDLES for line in documented_commands(bundle)]
)
def test_files_and_keys_exist(bundle, line):
    for file in re.findall(r"(?:bundles/\w+/configs|studies)/\w+\.json", line):
        assert (REPOSITORY / file).is_file(), file
    if "monai.bundle" in line:
        keys = {word[2:].split("=")[0] for word in shlex.split(line) if word.startswith("--")}
        assert keys <= known_keys(REPOSITORY / "bundles" / bundle / "configs") | LAUNCHER_KEYS


@pytest.mark.parametrize("bundle", BUNDLES)
def test_keys_in_running_text_exist(bundle):
    known = {"dataset_dir"}.union(*(known_keys(REPOSITORY / "bundles" / name / "configs") for name in BUNDLES))
    for document in documents_of(bundle):
        assert set(re.findall(r"`--(\w+)", (REPOSITORY / document).read_text())) <= known, document


@pytest.mark.parametrize("document", sorted({name for b in BUNDLES for name in documents_of(b)}) + OTHER_DOCUMENTS)
def test_links_and_make_targets_exist(document):
    path = REPOSITORY / document
    text = path.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z][\w-]*)|`make ([a-z][\w-]*)", text, flags=re.M):
        assert re.search(rf"^{target[0] or target[1]}:", makefile, flags=re.M), target
    for bundle in re.findall(r"BUNDLE=(\w+)", text):
        assert bundle in BUNDLES


def overlays_in(line):
    """Overlays that change the weights' meaning; weights go with their overlays only."""
    names = [Path(file).stem for file in re.findall(r"bundles/\w+/configs/\w+\.json", line)]
    return [name for name in names if name not in ("train", "evaluate", "inference")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_documented_commands_run(bundle, phantoms_of, home, tmp_path, monkeypatch, capsys):
    """In order and in one workspace, so that evaluation and inference find what training left."""
    from monai.bundle.scripts import run

    monkeypatch.chdir(REPOSITORY)
    tiny = TINY[bundle]
    small = tiny.keys | {"max_epochs": 1, "batches_per_epoch": 2, "batch_size": 2, "accumulation_steps": 1}
    small |= {"bootstrap_samples": 20, "phantoms": tiny.phantoms}
    data = phantoms_of(bundle)
    seen = data / tiny.inferred
    places = {"findings": tmp_path / "findings"}
    kinds = []
    for line in documented_commands(bundle):
        words = [str(places.get(word, word)) for word in shlex.split(line)]
        # What stands for the reader's data: a data set, or what inference reads.
        stands = seen if "inference" in words[:5] else data
        words = [str(stands) if word.startswith("/data/") else word for word in words]
        if words[:4] == ["python", "-m", "monai.bundle", "run"]:
            files = [Path(file).stem for file in re.findall(r"bundles/\w+/configs/\w+\.json", line)]
            models = tmp_path / "_".join(["models", *overlays_in(line)])
            keys = only_accepted(small | {"models_dir": models, "ckpt_path": models / "model.pt"}, bundle, *files)
            keys = {key: value for key, value in keys.items() if f"--{key}" not in words}
            if "--labelled_fraction" in words:
                words[words.index("--labelled_fraction") + 1] = str(small["labelled_fraction"])
            fire.Fire(run, command=[*words[4:], *as_words(keys)])
            kinds.append(words[4])
        elif words[:4] == ["python", "-m", "shared", "study"]:
            assert words[-1] == "--dry_run"
            shared_main(words[3:])
            kinds.append("study")
        elif words[:4] == ["python", "-m", "shared", "package"]:
            weights = tmp_path / "models" / "model.pt"
            shared_main([*words[3:], "--ckpt_path", str(weights), "--output_dir", str(tmp_path / "dist")])
            assert (tmp_path / "dist" / f"{bundle}.zip").is_file()
        elif words[:3] == ["python", "-m", "shared"]:
            with pytest.raises(SystemExit) as ended:
                shared_main([*words[3:], "--quick", "--output_dir", str(tmp_path / "doctor")])
            assert ended.value.code == 0
            kinds.append("doctor")
    assert {"training", "evaluating", "inference", "doctor"} <= set(kinds)
    assert len(list((home / "runs" / bundle).iterdir())) >= 6
    assert (tmp_path / "findings" / "summary.csv").is_file()
    assert (home / "data" / "phantoms").is_dir()
