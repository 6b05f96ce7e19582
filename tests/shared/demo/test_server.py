"""The page's server: what it tells browsers, results only by their word, errors as words, nothing left behind."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("gradio")
from fastapi.testclient import TestClient

from shared.__main__ import main
from shared.demo.library import Library, find_bundles
from shared.demo.page import DISCLAIMER, Page
from shared.demo.server import make_app
from shared.demo.sessions import Sessions
from tests.support.trained import Trained, train

NAME = "pets_mtl"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("demo")
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYE_BUNDLES_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        done = train(NAME, folder / "trained")
        shutil.copytree(done.model.parent, folder / "models" / NAME)
        yield done._replace(model=folder / "models" / NAME / "model.pt")
    sys.path[:] = path


@pytest.fixture
def sessions(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))
    torch.set_num_threads(1)
    with Sessions(Library(find_bundles([NAME], models_dir=trained.model.parents[1]))) as sessions:
        yield sessions
    assert not sessions.root.exists()


def upload(trained: Trained, folder: Path) -> Path:
    return Path(shutil.copy(trained.one, folder))


def test_a_file_is_read_and_its_results_are_had_by_their_word(
    trained: Trained, sessions: Sessions, tmp_path: Path
) -> None:
    client = TestClient(make_app(sessions, host="127.0.0.1"), base_url="http://127.0.0.1")
    file = upload(trained, tmp_path)
    shown = sessions.read("me", file, name=NAME)
    assert not file.exists()
    address = f"/reading/{shown.token}"
    name = shown.reading.name
    found = client.get(f"{address}/{name}.json")
    assert found.json()["provenance"]["bundle"] == NAME
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{address}/{name}.zip").content))
    assert f"json/{name}.json" in archive.namelist()
    pictures = [client.get(f"{address}/picture.jpg", params={"layers": layers}) for layers in ("", "pet", "pet")]
    assert pictures[1].content == pictures[2].content
    pixels = [np.asarray(Image.open(io.BytesIO(picture.content))) for picture in pictures]
    assert bool(found.json()["masks"]["pet"]["area_px"]) == bool((pixels[0] != pixels[1]).any())
    for wrong in ("/reading/guess/picture.jpg", f"{address}/..%2F..%2Frun.json", f"{address}/run.json"):
        assert client.get(wrong).status_code == 404
    sessions.leave("me")
    assert not shown.folder.exists()
    assert client.get(f"{address}/{name}.json").status_code == 404


def test_browsers_are_told_to_ask_nobody_else_and_other_names_are_refused(sessions: Sessions) -> None:
    client = TestClient(make_app(sessions, host="127.0.0.1"), base_url="http://127.0.0.1")
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "not a medical device" in answer.text
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_errors_are_words_on_the_page(
    trained: Trained, sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, request = Page(sessions), SimpleNamespace(session_hash="me")

    def dropped(file: Path) -> str:
        answer: Any = page.on_upload(str(file), NAME, request)  # type: ignore[arg-type]
        assert not file.exists()
        return str(answer[1])

    assert DISCLAIMER in page.head()
    assert 'class="good"' in dropped(upload(trained, tmp_path))
    bad = tmp_path / "<b>bad.jpg"
    bad.write_bytes(trained.one.read_bytes()[:200])
    assert "&lt;b&gt;bad.jpg" in dropped(bad)
    assert sessions.shown == {}
    assert [path for path in sessions.root.iterdir() if path.name != "uploads"] == []
    monkeypatch.setattr(sessions.library, "predictor", lambda bundle: 1 / 0)
    assert "could not be read (ZeroDivisionError)" in dropped(upload(trained, tmp_path))


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["demo", "--port", str(port)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert "make demo PORT=" in said


def test_a_page_without_any_model_says_which_command_trains_it(tmp_path: Path) -> None:
    with Sessions(Library(find_bundles(models_dir=tmp_path))) as sessions:
        head = Page(sessions).head()
        assert "0 of" in head
        assert f"make train BUNDLE={NAME}" in head
        answer = Page(sessions).on_sample(NAME)(SimpleNamespace(session_hash="me"))
        assert f"train it: make train BUNDLE={NAME}" in answer[1]
        assert json.dumps(list(sessions.shown)) == "[]"
