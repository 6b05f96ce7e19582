"""A bundle that is dropped into `bundles/` is tested without touching a test; one that is broken fails there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundle import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
MODEL, FIFTH = "fundus_od_unet", "fifth_of_all"
PARTS = ("bundles", "docs", "shared", "studies", "tests", "benchmarks")
TEXTS = (".json", ".md", ".py", ".txt", ".conf")
SKIPPED = shutil.ignore_patterns("*.pt", "*.ts", "*.onnx", "__pycache__", ".*_cache", "previous")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one bundle more: another one's files under a new name, and its golden curve."""
    root = tmp_path_factory.mktemp("tree") / "repository"
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, root / part, ignore=SKIPPED)
    for path in REPOSITORY.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, root)
    bundle = Path(shutil.copytree(root / "bundles" / MODEL, root / "bundles" / FIFTH))
    for path in bundle.rglob("*"):
        if path.is_file() and path.suffix in TEXTS:
            path.write_text(path.read_text().replace(MODEL, FIFTH))
    shutil.copy(root / "tests" / "golden" / f"{MODEL}.json", root / "tests" / "golden" / f"{FIFTH}.json")
    return root


def run_tests(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The tests in the copy that are about the new bundle."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "EYE_BUNDLES"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", FIFTH, *words],
        cwd=root,
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )


def test_it_is_found_verified_trained_and_its_documentation_run(tree: Path) -> None:
    tests = ("tests/bundles/verification", "tests/bundles/test_documentation.py")
    done = run_tests(tree, *tests)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= 25, (
        "checks, schema, outputs, export, workflows with the golden curve, properties, documentation"
    )
    listed = run_tests(tree, "--collect-only", *tests).stdout
    for name in (
        *("test_files[", "official_schema[", "test_every_output", "export_the_same[", "golden_curve["),
        *("every_overlay[", "documented_commands_run[", "test_files_keys_and_flags_exist["),
    ):
        assert name in listed, name


DAMAGES = (
    ("configs/metadata.json", '"1": "optic disc"', '"1": "macula"'),
    ("configs/inference.json", '"a_max": 255', '"a_max": 256'),
    ("configs/inference.json", '"keep_largest": true', '"keep_largest": false'),
    ("configs/inference.json", '"backbone": "padded"', '"backbone": "classic"'),
    ("LICENSE", "Apache", "Another"),
)
FOUND = {"channels", "the_network_sees_alike", "evaluation_shares_settings", "inference_repeats_training", "licence"}


def test_a_broken_one_fails_in_each_place_that_is_broken(tree: Path) -> None:
    """Channel names, normalisation, what is kept of a mask, network, licence; and nothing else."""
    for file, old, new in DAMAGES:
        path = tree / "bundles" / FIFTH / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
    done = run_tests(tree, "tests/bundles/verification/test_files.py")
    assert done.returncode == 1, done.stdout[-3000:]
    assert set(re.findall(rf"^FAILED .*\[{FIFTH}-(\w+)\]", done.stdout, flags=re.M)) == FOUND
