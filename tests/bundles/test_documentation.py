"""What the documentation says is run, at reduced size, and every file, key, flag, link and target in it exists."""

import inspect
import json
import re
import shlex
from pathlib import Path

import fire
import monai.bundle
import pytest

from shared.__main__ import COMMANDS, check_flags
from shared.__main__ import main as shared_main
from shared.workflow.keys import known_keys
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES, TINY, as_words, only_accepted

LAUNCHER_KEYS = {"config_file", "standalone", "nproc_per_node", "nnodes", "max-restarts"}
COMMAND = r"^(?:\w+=\S+ )*((?:python|torchrun|\.venv/bin/python) .*)"


def all_documents():
    """Every page of the repository: its own, `docs/`, benchmarks and model cards."""
    patterns = ("*.md", "docs/*.md", "benchmarks/*.md", "bundles/*/docs/*.md")
    return sorted(path.relative_to(REPOSITORY).as_posix() for pattern in patterns for path in REPOSITORY.glob(pattern))


def commands_in(document):
    """The lines of its code blocks that call Python, each whole."""
    text = (REPOSITORY / document).read_text().replace("\\\n", " ")
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.S)
    return [line for block in blocks for line in re.findall(COMMAND, block, flags=re.M)]


def mentioned_in(document):
    """Commands of this project in running text and tables."""
    return re.findall(r"`(python -m shared \w[^`\n]*)`", (REPOSITORY / document).read_text())


def documents_of(bundle):
    return ["README.md", f"bundles/{bundle}/docs/README.md"]


def documented_commands(bundle):
    """Every command of a bundle in a code block of the documents, in order, once."""
    lines = [line for document in documents_of(bundle) for line in commands_in(document)]
    own = (f"bundles/{bundle}/", f"bundles/{bundle} ", f"dist/{bundle}.zip")
    own += tuple(str(file.relative_to(REPOSITORY)) for file in studies_of(bundle))
    return [line for line in dict.fromkeys(lines) if any(word in f"{line} " for word in own)]


def studies_of(bundle):
    return [
        file for file in (REPOSITORY / "studies").glob("*.json") if json.loads(file.read_text())["bundle"] == bundle
    ]


@pytest.mark.parametrize(
    ("document", "line"),
    [(name, line) for name in all_documents() for line in dict.fromkeys(commands_in(name) + mentioned_in(name))],
)
def test_files_keys_and_flags_exist(document, line):
    for file in re.findall(r"(?:bundles/\w+/configs|studies)/\w+\.json", line):
        assert (REPOSITORY / file).is_file(), file
    words = shlex.split(line, comments=True)
    if "monai.bundle" in words:
        (bundle,) = set(re.findall(r"bundles/(\w+)/configs", line)) or {BUNDLES[0]}
        keys = {word[2:].split("=")[0].split("#")[0] for word in words if word.startswith("--")}
        known = known_keys(REPOSITORY / "bundles" / bundle / "configs") | LAUNCHER_KEYS
        # Arguments of MONAI's other commands, such as ckpt_export; `override` takes the configuration's keys.
        known |= set(inspect.signature(getattr(monai.bundle, words[words.index("monai.bundle") + 1])).parameters)
        assert keys <= known
    elif "shared" in words:
        name, *rest = words[words.index("shared") + 1 :]
        check_flags(name, rest, COMMANDS[name].load())


@pytest.mark.parametrize("document", all_documents())
def test_keys_and_flags_in_running_text_exist(document):
    known = {"dataset_dir", "max-restarts"}.union(
        *(known_keys(REPOSITORY / "bundles" / name / "configs") for name in BUNDLES)
    )
    known = known.union(LAUNCHER_KEYS, *(inspect.signature(command.load()).parameters for command in COMMANDS.values()))
    assert set(re.findall(r"`--(\w[\w-]*)", (REPOSITORY / document).read_text())) <= known


def chapters_of(path):
    """The names by which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.*)", path.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", all_documents())
def test_links_and_make_targets_exist(document):
    path = REPOSITORY / document
    text = path.read_text()
    for target, chapter in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text):
        place = path.parent / target if target else path
        assert place.exists(), target
        assert not chapter or chapter in chapters_of(place), f"{target} has no chapter {chapter}"
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
    places = {"findings": tmp_path / "findings", "/elsewhere": tmp_path / "elsewhere"}
    places |= {f"dist/{bundle}.zip": tmp_path / "dist" / f"{bundle}.zip"}
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
        elif words[:4] == ["python", "-m", "shared", "unpack"]:
            shared_main(words[3:])
            assert (tmp_path / "elsewhere" / bundle / "configs" / "inference.json").is_file()
        elif words[:4] == ["python", "-m", "shared", "doctor"]:
            with pytest.raises(SystemExit) as ended:
                shared_main([*words[3:], "--quick", "--output_dir", str(tmp_path / "doctor")])
            assert ended.value.code == 0
            kinds.append("doctor")
    assert {"training", "evaluating", "inference", "doctor"} <= set(kinds)
    assert len(list((home / "runs" / bundle).iterdir())) >= 6
    assert (tmp_path / "findings" / "summary.csv").is_file()
    assert (home / "data" / "phantoms").is_dir()
