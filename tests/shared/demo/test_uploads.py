"""What may be read on the page is decided before it is decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from shared.demo import uploads
from shared.demo.uploads import BSCAN, FUNDUS, OCT, OTHER, check_upload
from shared.errors import DataError
from tests.support.fundus import draw_fundus
from tests.support.volumes import draw_volume, write_mhd

NOISE_HW3 = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)


def write_bomb(path: Path, *, width: int, height: int) -> Path:
    """A PNG of less than 100 bytes whose header promises these pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def test_the_kind_of_a_file_is_found(tmp_path: Path) -> None:
    Image.fromarray(draw_fundus(300, 400)).save(tmp_path / "eye.jpg")
    Image.fromarray(NOISE_HW3).save(tmp_path / "cat.png")
    Image.fromarray(NOISE_HW3[..., 0]).save(tmp_path / "scan.jpg")
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 9, 3), np.uint8), np.eye(4)), tmp_path / "scan.nii.gz")
    kinds = {file.name: check_upload(file) for file in tmp_path.iterdir()}
    assert kinds == {"eye.jpg": FUNDUS, "cat.png": OTHER, "scan.jpg": BSCAN, "scan.nii.gz": OCT}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("eye.jpg", b"", r"eye\.jpg is empty \(0 bytes\)"),
        ("eye.png", b"no picture", r"eye\.png is no picture"),
        ("eye.exe", b"MZ", r"eye\.exe is no file that can be read"),
        ("scan.mhd", b"NDims = 3", r"scan\.mhd is a header"),
        ("scan.mha", b"no header", "no ElementDataFile"),
        ("scan.nii.gz", b"no gzip", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        check_upload(file)


def test_large_files_are_refused_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "eye.jpg"
    with file.open("wb") as sparse:
        sparse.truncate(200 * 2**20)
    with pytest.raises(DataError, match="has 200 MB"):
        check_upload(file)


@pytest.mark.parametrize(("width", "height"), [(10_000, 7_000), (50_000, 50_000)])
def test_bombs_are_refused_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    monkeypatch.setattr(uploads, "read_photograph", None)
    with pytest.raises(DataError, match="it was not decoded"):
        check_upload(write_bomb(tmp_path / "bomb.png", width=width, height=height))


def test_volumes_of_too_many_voxels_are_refused_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        "NDims": 3,
        "DimSize": "2000 2000 2000",
        "ElementType": "MET_UCHAR",
        "CompressedData": "True",
        "ElementDataFile": "LOCAL",
    }
    head = "".join(f"{key} = {value}\n" for key, value in fields.items())
    bomb = tmp_path / "bomb.mha"
    bomb.write_bytes(head.encode() + zlib.compress(bytes(1000)))
    with pytest.raises(DataError, match="2000 x 2000 x 2000 voxels; it was not decoded"):
        check_upload(bomb)
    monkeypatch.setattr(uploads, "MAX_VOXELS", 10)
    with pytest.raises(DataError, match="it was not decoded"):
        check_upload(write_mhd(tmp_path / "scan.mha", draw_volume()))


def test_a_volume_may_not_name_a_file_of_the_server(tmp_path: Path) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(bytes(10_000))
    thief = write_mhd(tmp_path / "scan.mha", draw_volume(), ElementDataFile="secret.raw")
    with pytest.raises(DataError, match="in a second file"):
        check_upload(thief)
