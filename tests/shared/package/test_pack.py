"""A bundle's zip: what is in it, and that its configurations fit its weights."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import torch

from shared.__main__ import main
from shared.errors import CheckpointError, ConfigError
from shared.package.pack import package


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{path.stem}/{name}")


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_all_that_a_bundle_needs_is_in_one_folder_of_the_zips_name(toy, tmp_path, capsys):
    main(["package", str(toy), "--output_dir", str(tmp_path / "dist")])
    found = names(tmp_path / "dist" / "toy.zip")
    assert {name.split("/")[0] for name in found} == {"toy"}
    for name in ("LICENSE", "docs/README.md", "scripts/__init__.py", "shared/errors.py", "models/model.pt"):
        assert f"toy/{name}" in found
    assert not [name for name in found if "pycache" in name]
    assert "PHANTOMS" in capsys.readouterr().out


def test_configurations_have_the_overlays_and_keys_of_the_weights(toy, tmp_path):
    package(str(toy), output_dir=str(tmp_path))
    train, inference = (
        json.loads(read(tmp_path / "toy.zip", f"configs/{name}.json")) for name in ("train", "inference")
    )
    assert train["channels"] == inference["channels"] == 7
    assert train["rate"] == 0.2
    assert train["train"]["handlers"] == [1, 2]
    assert "rate" not in inference
    assert json.loads((toy / "configs" / "train.json").read_text())["channels"] == 3


def test_weights_that_fit_no_configuration_are_refused_before_anything_is_written(toy, tmp_path):
    torch.save(torch.nn.Linear(4, 2).state_dict(), toy / "models" / "model.pt")
    with pytest.raises(CheckpointError, match="weight: "):
        package(str(toy), output_dir=str(tmp_path / "dist"))
    assert not list((tmp_path / "dist").glob("*"))


def test_an_overlay_that_is_gone_is_named(toy, tmp_path):
    (toy / "configs" / "small.json").unlink()
    with pytest.raises(CheckpointError, match=r"overlay small\.json"):
        package(str(toy), output_dir=str(tmp_path))


def test_equal_content_gives_equal_bytes_and_the_checksums_are_those_of_the_members(toy, tmp_path):
    for folder in "ab":
        package(str(toy), output_dir=str(tmp_path / folder))
    first, second = (tmp_path / folder / "toy.zip" for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    sums = dict(reversed(line.split("  ")) for line in read(first, "SHA256SUMS").decode().splitlines())
    assert names(first) == {f"toy/{name}" for name in (*sums, "SHA256SUMS")}
    assert all(hashlib.sha256(read(first, name)).hexdigest() == digest for name, digest in sums.items())


def test_weights_may_stay_outside_with_their_hash(toy, tmp_path):
    import yaml

    package(str(toy), output_dir=str(tmp_path), weights_url="https://example.org/model.pt")
    assert "toy/models/model.pt" not in names(tmp_path / "toy.zip")
    (entry,) = yaml.safe_load(read(tmp_path / "toy.zip", "large_files.yml"))["large_files"]
    digest = hashlib.sha256((toy / "models" / "model.pt").read_bytes()).hexdigest()
    assert entry == {
        "path": "models/model.pt",
        "url": "https://example.org/model.pt",
        "hash_val": digest,
        "hash_type": "sha256",
    }


def test_requirements_are_those_of_the_metadata(toy, tmp_path):
    package(str(toy), output_dir=str(tmp_path))
    expected = ["monai==1.6.1", "torch==2.13.0", "numpy==2.4.6", "fire==0.7.1"]
    assert read(tmp_path / "toy.zip", "requirements.txt").decode().splitlines() == expected


def test_what_cannot_be_packaged(toy, tmp_path):
    with pytest.raises(ConfigError, match="is no bundle"):
        package(str(tmp_path))
    with pytest.raises(ConfigError, match="weights_url"):
        package(str(toy), output_dir=str(tmp_path), weights_url="ftp://x")
    (toy / "models" / "model.pt").unlink()
    with pytest.raises(CheckpointError, match="no weights at"):
        package(str(toy), output_dir=str(tmp_path))
