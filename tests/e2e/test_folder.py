"""Whole folders: a thousand photographs on Ray Data, killed and resumed; every bundle in this process."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import CheckpointError
from shared.folder.command import infer
from shared.folder.pool import make_pool
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES
from tests.support.trained import Trained, train

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
KEYS = {"device": "cpu", "amp": False}
PHOTOGRAPHS, BROKEN = 1000, {"003/cut.jpg", "007/empty.png", "009/text.jpg"}


@pytest.fixture(scope="module")
def trained_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Name of a bundle -> weights of one iteration."""
    home = tmp_path_factory.mktemp("trained")
    found: dict[str, Trained] = {}

    def of(bundle: str) -> Trained:
        if bundle not in found:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EYE_BUNDLES_HOME", str(home / "home"))
                patch.setattr(sys, "path", list(sys.path))
                found[bundle] = train(bundle, home / bundle)
        return found[bundle]

    return of


def draw_photographs(folder: Path, number: int) -> None:
    """Small bright ovals on dark ground, as JPEG in sub-folders of 100, and three files that cannot be read."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :56]
    for index in range(number):
        path = folder / f"{index // 100:03d}" / f"{index:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((48, 56, 3), generator.integers(0, 80, 3), np.uint8)
        inside = (columns - 28) ** 2 + (rows - 24) ** 2 < generator.integers(100, 500)
        picture[inside] = generator.integers(100, 255, 3)
        Image.fromarray(picture).save(path)
    whole = (folder / "003" / "0300.jpg").read_bytes()
    for name, content in zip(sorted(BROKEN), (whole[: len(whole) // 2], b"", b"no picture"), strict=True):
        (folder / name).write_bytes(content)


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as content:
        return list(csv.DictReader(content))


def count_lines(content: bytes) -> int:
    return content.count(b"\n")


def outputs(out: Path) -> dict[str, int]:
    """Every photograph's JSON with the time at which it was written."""
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in out.glob("outputs/*/*/*/json/*.json")}


def test_a_thousand_photographs_on_ray_survive_a_kill_and_are_read_once(
    trained_of: Callable[[str], Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    photographs, out, log = tmp_path / "photographs", tmp_path / "out", tmp_path / "log"
    draw_photographs(photographs, PHOTOGRAPHS)
    model = trained_of("pets_mtl").model
    command = [sys.executable, "-m", "shared", "infer", "bundles/pets_mtl", str(photographs)]
    command += [f"--output_dir={out}", f"--ckpt_path={model}", "--ray=local", "--workers=2", "--batch=25"]
    command += [f"--keys={KEYS}"]
    environment = os.environ | {"EYE_BUNDLES_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[bytes]:
        with log.open("w") as file:
            return subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    process = start()
    try:
        end = time.monotonic() + 200
        while len(list((out / "results").glob("part-*.jsonl"))) < 4:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = outputs(out)
        assert 100 <= len(before) < PHOTOGRAPHS
        parts = {path.name: path.read_bytes() for path in (out / "results").iterdir() if path.suffix == ".jsonl"}
        process = start()
        status = process.wait(400)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert status == 1, log.read_text()[-3000:]

    numbers = json.loads((out / "summary.json").read_text())
    assert (numbers["planned"], numbers["read"], numbers["failed"], numbers["left"]) == (1003, 1000, 3, 0)
    # Nothing lost, nothing twice, nothing repeated.
    names = [row["file"] for row in read_csv(out / "summary.csv")]
    wanted = {path.relative_to(photographs).as_posix() for path in photographs.rglob("*.*")} - BROKEN
    assert sorted(names) == sorted(wanted)
    failed = read_csv(out / "failed.csv")
    assert {row["file"] for row in failed} == BROKEN
    assert all(row["reason"] for row in failed)
    after = outputs(out)
    assert len(after) == PHOTOGRAPHS
    # All but what each of two actors was at.
    assert len(before.items() - after.items()) <= 2
    assert all((out / "results" / name).read_bytes() == content for name, content in parts.items())
    assert numbers["this_start"]["files"] <= PHOTOGRAPHS + len(BROKEN) - sum(map(count_lines, parts.values()))

    # Complete: the same command changes nothing; what failed is read again where that is asked, here by this process.
    shutil.copy(photographs / "000" / "0000.jpg", photographs / "007" / "empty.png")
    monkeypatch.setattr(sys, "path", list(sys.path))
    same = {"output_dir": str(out), "ckpt_path": str(model), "keys": KEYS}
    for retry in (False, True):
        assert outputs(out) == after
        with pytest.raises(SystemExit):
            infer(str(REPOSITORY / "bundles" / "pets_mtl"), str(photographs), retry_failed=retry, **same)
    assert {row["file"] for row in read_csv(out / "failed.csv")} == BROKEN - {"007/empty.png"}
    assert after.items() < outputs(out).items()


def test_weights_that_an_actor_refuses_are_an_error_before_anything_is_read(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "model.pt").write_bytes(b"no weights")
    options = {"root": str(tmp_path), "folder": str(tmp_path), "bundle": str(REPOSITORY / "bundles" / "pets_mtl")}
    with pytest.raises(CheckpointError, match="cannot be read"):
        make_pool(options | {"ckpt_path": str(tmp_path / "model.pt")}, ray="local", workers=1)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_bundle_reads_a_folder_and_lists_what_it_cannot_read(
    bundle: str,
    trained_of: Callable[[str], Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("EYE_BUNDLES_HOME", str(tmp_path / "home"))
    trained = trained_of(bundle)
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for file in trained.one.parent.glob(f"{trained.one.stem}.*"):
            shutil.copy(file, tmp_path / "in" / name)
    broken = tmp_path / "in" / "b" / f"broken{trained.one.suffix}"
    broken.write_bytes(b"not that")
    arguments = {"output_dir": str(tmp_path / "out"), "ckpt_path": str(trained.model), "keys": KEYS, "batch": 2}
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            infer(str(REPOSITORY / "bundles" / bundle), str(tmp_path / "in"), **arguments)
        assert ended.value.code == 1
    assert "0 files in" in capsys.readouterr().out, "the second start finds all done"
    assert len({row["file"] for row in read_csv(tmp_path / "out" / "summary.csv")}) == 2
    (failed,) = read_csv(tmp_path / "out" / "failed.csv")
    assert failed["file"] == f"b/{broken.name}"
    assert failed["reason"]
    assert len(outputs(tmp_path / "out")) == 2
