"""A zip is opened without trusting it."""

import os
import pickle
import stat
import zipfile
from pathlib import Path

import pytest

from shared.__main__ import main
from shared.errors import CheckpointError, DataError
from shared.package.pack import package
from shared.package.unpack import unpack_bundle


class Code:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


@pytest.fixture
def packed(toy: Path, tmp_path: Path) -> Path:
    package(str(toy), output_dir=str(tmp_path / "dist"))
    return tmp_path / "dist" / "toy.zip"


def hostile(path: Path, **members: bytes | str) -> Path:
    """A zip with metadata of a bundle and these members."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/configs/metadata.json", "{}")
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_another_name_and_a_warning_that_configurations_are_code(packed, tmp_path, capsys):
    main(["unpack", str(packed), "--output_dir", str(tmp_path / "new"), "--name", "other"])
    assert (tmp_path / "new" / "other" / "models" / "model.pt").is_file()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["other"]
    assert "running them runs it" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "x/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_members_that_would_land_outside(tmp_path, name):
    file = hostile(tmp_path / "bad.zip", **{name: "x"})
    with pytest.raises(DataError, match="would land outside"):
        unpack_bundle(file, tmp_path / "in" / "side")
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "in").exists()


def test_a_symbolic_link(tmp_path):
    link = zipfile.ZipInfo("x/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(hostile(tmp_path / "bad.zip"), "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="symbolic link"):
        unpack_bundle(tmp_path / "bad.zip", tmp_path)


def test_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("shared.package.unpack.LARGEST_BYTES", 1000)
    with pytest.raises(DataError, match="would unpack to"):
        unpack_bundle(hostile(tmp_path / "bad.zip", **{"x/big": bytes(2000)}), tmp_path)


def test_weights_that_hold_code(tmp_path):
    file = hostile(tmp_path / "bad.zip", **{"x/models/model.pt": pickle.dumps(Code())})
    with pytest.raises(CheckpointError, match="files with code are refused"):
        unpack_bundle(file, tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
    assert not Path("/tmp/never").exists()


def test_changed_and_added_files(packed, tmp_path):
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(tmp_path / "changed.zip", "w") as target:
        for member in source.infolist():
            content = source.read(member)
            target.writestr(member, content + b" " if member.filename.endswith("train.json") else content)
    with pytest.raises(DataError, match=r"differs from its SHA256SUMS in configs/train\.json"):
        unpack_bundle(tmp_path / "changed.zip", tmp_path / "new")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("toy/scripts/more.py", "")
    with pytest.raises(DataError, match=r"does not hold what its SHA256SUMS lists: scripts/more\.py"):
        unpack_bundle(packed, tmp_path / "new")


def test_what_is_no_bundle(tmp_path):
    with pytest.raises(DataError, match="there is no"):
        unpack_bundle(tmp_path / "absent.zip", tmp_path)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DataError, match="no zip"):
        unpack_bundle(tmp_path / "text.zip", tmp_path)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a/x", "")
        archive.writestr("b/x", "")
    with pytest.raises(DataError, match="is no bundle: top folders a, b"):
        unpack_bundle(tmp_path / "two.zip", tmp_path)


def test_a_truncated_zip(packed, tmp_path):
    packed.write_bytes(packed.read_bytes()[:-3000])
    with pytest.raises(DataError, match="damaged"):
        unpack_bundle(packed, tmp_path / "new")


def test_a_folder_that_exists_is_left_alone(packed, tmp_path):
    (tmp_path / "toy" / "mine").write_text("mine")
    with pytest.raises(DataError, match="exists"):
        unpack_bundle(packed, tmp_path)
    assert (tmp_path / "toy" / "mine").read_text() == "mine"
