"""`python -m shared fetch` against a server of this machine: whole, resumed, damaged, refused."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.__main__ import main
from shared.errors import ConfigError, DataError
from shared.fetch import catalogue
from shared.fetch.catalogue import Archive, DataSet
from shared.fetch.command import fetch
from shared.fetch.download import download
from shared.fetch.unpack import unpack


class Server:
    """``files`` by path; what was ``asked`` (path, Range); it cuts answers after ``cut`` bytes so many ``times``."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.cut, self.times, self.ranges, self.fails = 0, 0, True, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range", "")
        self.asked.append((handler.path, wanted))
        content = self.files.get(handler.path)
        if self.fails:
            self.fails -= 1
            handler.send_error(503)
            return
        if content is None:
            handler.send_error(404)
            return
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and self.ranges else 0
        if start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        rest = content[start:]
        if self.times:
            self.times -= 1
            rest = rest[: self.cut]
        handler.wfile.write(rest)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


CONTENT = bytes(range(256)) * 4000


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def get(server: Server, tmp_path: Path, *, expected: str | None = None, attempts: int = 2) -> Path:
    return download(
        f"{server.address}/a.bin", tmp_path / "a.bin", md5=expected or md5(CONTENT), attempts=attempts, pause_s=0
    )


def test_a_whole_file_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "")]
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"], server.cut, server.times = CONTENT, 300_000, 2
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", "bytes=300000-", "bytes=600000-"]


def test_the_next_call_continues_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:500_000])
    server.files["/a.bin"] = CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "bytes=500000-")]


def test_a_part_that_was_whole_already(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    server.files["/a.bin"] = CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_sends_it_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    server.files["/a.bin"], server.ranges = CONTENT, False
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"], server.fails = CONTENT, 1
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_connection_that_breaks_for_good_keeps_the_beginning(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    server.cut, server.times = 1000, 1
    with pytest.raises(DataError, match="run the command again: it continues") as caught:
        get(server, tmp_path, attempts=1)
    assert "1,000 bytes are kept" in str(caught.value)
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:1000]


def test_a_wrong_checksum_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    with pytest.raises(DataError, match=md5(CONTENT)):
        get(server, tmp_path, expected="0" * 32)
    assert not list(tmp_path.iterdir())


def test_no_such_file_and_no_such_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"404.*\n.*\n.*correct the address"):
        get(server, tmp_path, attempts=5)
    assert len(server.asked) == 1
    server.http.server_close()
    with pytest.raises(DataError, match="look at the network"):
        get(server, tmp_path)


def test_hostile_and_damaged_archives(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.tar.gz"
    hostile.write_bytes(tar({"images/a.jpg": b"a", "../outside.txt": b"b"}))
    with pytest.raises(DataError, match="outside"):
        unpack(hostile, tmp_path / "images")
    for content, said in ((tar({"other/a": b"a"}), "no folder 'images'"), (tar({"images/a": CONTENT})[:900], "cannot")):
        hostile.write_bytes(content)
        with pytest.raises(DataError, match=said):
            unpack(hostile, tmp_path / "images")
    assert [file.name for file in tmp_path.iterdir()] == ["hostile.tar.gz"]
    assert not (tmp_path.parent / "outside.txt").exists()


@pytest.fixture
def pets(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The catalogue's pets, with archives of this test."""
    packed = {"images": tar({"images/a.jpg": b"jpeg"}), "annotations": tar({"annotations/list.txt": b"a 1 1 1"})}
    server.files = {f"/{name}.tar.gz": content for name, content in packed.items()}
    archives = tuple(Archive(f"{name}.tar.gz", md5(content), name, len(content)) for name, content in packed.items())
    official = catalogue.CATALOGUE["pets"]
    changed = DataSet(official.title, official.licence, official.cite, server.address, archives)
    monkeypatch.setitem(catalogue.CATALOGUE, "pets", changed)
    return server


def test_the_command_says_the_licence_and_fetches_once(
    pets: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fetch", "pets", "--output_dir", str(tmp_path / "pets")])
    said = capsys.readouterr().out
    assert "CC BY-SA 4.0" in said
    assert f"--dataset_dir {tmp_path / 'pets'}" in said
    files = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert files == ["pets/annotations/list.txt", "pets/images/a.jpg"]
    fetch("pets", output_dir=str(tmp_path / "pets"))
    assert len(pets.asked) == 2


def test_into_the_workspace_from_a_mirror(pets: Server, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pets.files = {f"/mirror{path}": content for path, content in pets.files.items()}
    fetch("pets", address=f"{pets.address}/mirror/", keep_archives=True)
    assert (home / "data" / "pets" / "images" / "a.jpg").is_file()
    assert (home / "data" / "pets" / "images.tar.gz").is_file()


def test_a_data_set_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="did you mean `python -m shared fetch pets`"):
        fetch("pet")


def test_the_official_archives_are_named_with_their_checksums() -> None:
    official = catalogue.CATALOGUE["pets"]
    assert official.address.startswith("https://")
    assert [archive.folder for archive in official.archives] == ["images", "annotations"]
    assert all(re.fullmatch("[0-9a-f]{32}", archive.md5) for archive in official.archives)
