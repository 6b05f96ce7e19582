"""Photographs out of DICOM: every transfer syntax and colour space, and what must be refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.fileset import FileSet

from shared.data.listing import find_photographs, find_pictures
from shared.data.photograph import MAX_PIXELS, photograph_size, read_photograph
from shared.dicom.files import eye_of, is_dicom, stem_of
from shared.dicom.segmentation import write_photograph_segmentation
from shared.errors import DataError
from tests.support.dicom import eye_pixels, jpeg_of, scan_voxels, write_photograph, write_scan

LOSSLESS = ("explicit", "implicit", "big_endian", "deflated", "rle", "jpeg_ls", "jpeg_2000")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_syntaxes_give_the_pixels_back(kind: str, tmp_path: Path) -> None:
    pixels = eye_pixels((95, 121))
    path = write_photograph(tmp_path / "eye.dcm", pixels, kind=kind)
    photograph = read_photograph(path, at_least=(10, 10))
    np.testing.assert_array_equal(photograph.pixels_HW3, pixels)
    assert photograph.full_size == photograph_size(path) == (95, 121)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_encapsulated == (kind in LOSSLESS[4:])


def test_jpeg_of_a_camera_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    pixels = eye_pixels()
    path = write_photograph(tmp_path / "eye.dcm", pixels, kind="jpeg")
    assert pydicom.dcmread(path).PhotometricInterpretation == "YBR_FULL_422"
    expected = np.asarray(Image.open(io.BytesIO(jpeg_of(pixels)))).astype(int)
    assert abs(read_photograph(path).pixels_HW3 - expected).max() <= 2


def test_uncompressed_ybr_becomes_rgb(tmp_path: Path) -> None:
    pixels = eye_pixels()
    ybr = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    path = write_photograph(tmp_path / "eye.dcm", ybr, PhotometricInterpretation="YBR_FULL")
    expected = np.asarray(Image.fromarray(ybr, "YCbCr").convert("RGB")).astype(int)
    assert abs(read_photograph(path).pixels_HW3 - expected).max() <= 1


def test_colours_by_plane_are_put_together(tmp_path: Path) -> None:
    pixels = eye_pixels()
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
    path = write_photograph(tmp_path / "eye.dcm", pixels, PlanarConfiguration=1, PixelData=planes)
    np.testing.assert_array_equal(read_photograph(path).pixels_HW3, pixels)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    indices = (np.arange(60)[:, None] + np.arange(80)) % 256
    tables = [np.roll(np.arange(256, dtype=np.uint16) << 8, shift) for shift in (0, 50, 100)]
    colours = ("Red", "Green", "Blue")
    described = {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in colours}
    looked_up = {
        f"{colour}PaletteColorLookupTableData": table.tobytes() for colour, table in zip(colours, tables, strict=True)
    }
    path = write_photograph(
        tmp_path / "eye.dcm",
        eye_pixels((60, 80)),
        SamplesPerPixel=1,
        PlanarConfiguration=None,
        PhotometricInterpretation="PALETTE COLOR",
        PixelData=indices.astype(np.uint8).tobytes(),
        **described,
        **looked_up,
    )
    expected = np.stack([table[indices] >> 8 for table in tables], axis=2)
    assert abs(read_photograph(path).pixels_HW3.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("bits", "inverted"), [(8, False), (8, True), (12, False), (16, True)])
def test_grey_values_fill_all_channels(bits: int, inverted: bool, tmp_path: Path) -> None:
    top = 2**bits - 1
    grey = np.linspace(0, top, 60 * 80).reshape(60, 80).round().astype(np.uint8 if bits == 8 else np.uint16)
    path = write_photograph(
        tmp_path / "eye.dcm",
        eye_pixels((60, 80)),
        SamplesPerPixel=1,
        PlanarConfiguration=None,
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
        BitsAllocated=8 if bits == 8 else 16,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelData=grey.tobytes(),
    )
    values = grey.astype(float)
    expected = np.rint((top - values if inverted else values) * 255 / top)
    read = read_photograph(path).pixels_HW3.astype(int)
    assert abs(read - expected[..., None]).max() <= 1
    assert bool(read[0, 0, 0] > 200) is inverted


def test_files_are_known_by_suffix_or_beginning(tmp_path: Path) -> None:
    plain = write_photograph(tmp_path / "1.2.840.7", eye_pixels())
    suffixed = write_photograph(tmp_path / "A.DCM", eye_pixels())
    (tmp_path / "notes.txt").write_text("DICM " * 40)
    assert [is_dicom(tmp_path / name) for name in ("1.2.840.7", "A.DCM", "notes.txt", "none.dcm")] == [
        True,
        True,
        False,
        False,
    ]
    assert (stem_of(plain), stem_of(suffixed)) == ("1.2.840.7", "A")
    listing = find_pictures(tmp_path)
    assert [item["name"] for item in listing.items] == ["1.2.840.7", "A"]
    assert not listing.refused


def test_the_eye_is_read_from_the_header(tmp_path: Path) -> None:
    said = {"L": "left", "R": "right", "B": ""}
    for letter, eye in said.items():
        assert eye_of(write_photograph(tmp_path / f"{letter}.dcm", eye_pixels(), ImageLaterality=letter)) == eye
    series = write_photograph(tmp_path / "series.dcm", eye_pixels(), ImageLaterality=None, Laterality="L")
    assert eye_of(series) == "left"
    Image.new("RGB", (8, 8)).save(tmp_path / "left.png")
    assert eye_of(tmp_path / "left.png") == ""


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """A file of every kind that must be refused, and what the reason says."""
    folder.mkdir()
    whole = write_photograph(folder / "whole.dcm", eye_pixels())
    content = whole.read_bytes()
    files = {
        "empty": b"",
        "text": b"no DICOM at all " * 40,
        "cut pixels": content[:-5000],
        "cut header": content[:400],
        "only a preamble": b"\0" * 128 + b"DICM",
        "a picture of another name": jpeg_of(eye_pixels()),
    }
    for name, bytes_ in files.items():
        (folder / f"{name}.dcm").write_bytes(bytes_)
    paths = {name: folder / f"{name}.dcm" for name in files}
    paths["no pixel data"] = write_photograph(folder / "header.dcm", eye_pixels(), PixelData=None)
    paths["a volume"] = write_scan(folder / "scan.dcm", scan_voxels())
    paths["unknown syntax"] = _with_syntax(write_photograph(folder / "unknown.dcm", eye_pixels()), "1.2.3.4.5")
    video = write_photograph(folder / "video.dcm", eye_pixels(), kind="jpeg")
    paths["video"] = _with_syntax(video, "1.2.840.10008.1.2.4.100")
    lossless = _with_syntax(write_photograph(folder / "sv1.dcm", eye_pixels(), kind="jpeg"), "1.2.840.10008.1.2.4.70")
    paths["lossless JPEG"] = lossless
    paths["several frames"] = write_photograph(folder / "frames.dcm", eye_pixels(), NumberOfFrames=3)
    paths["no identity"] = write_photograph(folder / "anonymous.dcm", eye_pixels(), StudyInstanceUID=None)
    paths["a strange interpretation"] = write_photograph(
        folder / "argb.dcm", eye_pixels(), PhotometricInterpretation="ARGB"
    )
    paths["too large"] = write_photograph(folder / "bomb.dcm", eye_pixels(), Rows=65000, Columns=65000)
    whole.unlink()
    said = {
        "empty": "0 bytes",
        "text": "no DICM at byte 128",
        "cut pixels": "",
        "cut header": "",
        "only a preamble": "",
        "a picture of another name": "no DICM at byte 128",
        "no pixel data": "has no pixel data: it is Ophthalmic Photography 8 Bit",
        "a volume": "Ophthalmic Tomography",
        "unknown syntax": "unknown UID 1.2.3.4.5",
        "video": "1.2.840.10008.1.2.4.100",
        "lossless JPEG": "1.2.840.10008.1.2.4.70",
        "several frames": "3 frames",
        "no identity": "no StudyInstanceUID",
        "a strange interpretation": "ARGB",
        "too large": f"claims {65000**2 / 1e6:.0f} million pixels",
    }
    assert MAX_PIXELS < 65000**2
    return {name: (paths[name], said[name]) for name in paths}


def _with_syntax(path: Path, uid: str) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(uid)
    with path.open("wb") as file:
        pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return path


def test_bad_files_are_refused_by_name_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = bad_files(tmp_path / "folder")
    for path, said in bad.values():
        with pytest.raises(DataError) as caught:
            read_photograph(path)
        assert path.name in str(caught.value)
        assert said in caught.value.received
    write_photograph(tmp_path / "folder" / "good.dcm", eye_pixels())
    listing = find_pictures(tmp_path / "folder")
    assert [item["name"] for item in listing.items] == ["good"]
    reasons = {Path(path).name: reason for path, reason in listing.refused}
    assert reasons.keys() == {path.name for path, _ in bad.values()}
    assert all(said in reasons[path.name] for path, said in bad.values())


def test_what_lies_on_an_exported_disk_beside_photographs_is_refused(tmp_path: Path) -> None:
    source = write_photograph(tmp_path / "a" / "eye.dcm", eye_pixels())
    found = {"MA": np.zeros((96, 120), bool)}
    write_photograph_segmentation(found, tmp_path / "disk" / "seg.dcm", source=source)
    files = FileSet()
    files.add(source)
    files.write(tmp_path / "disk")
    listing = find_pictures(tmp_path / "disk")
    assert len(listing.items) == 1
    reasons = {Path(path).name: reason for path, reason in listing.refused}
    assert "Segmentation Storage" in reasons["seg.dcm"]
    assert "Media Storage Directory" in reasons["DICOMDIR"]


def test_a_missing_decoder_is_named_with_the_package_that_has_it(tmp_path: Path) -> None:
    path, _ = bad_files(tmp_path / "folder")["lossless JPEG"]
    with pytest.raises(DataError, match="no decoder is installed") as caught:
        read_photograph(path)
    assert "pip install pylibjpeg and pylibjpeg-libjpeg" in caught.value.fix


def test_without_pydicom_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_photograph(tmp_path / "eye.dcm", eye_pixels())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"pydicom is not installed[\s\S]*monai-eye-bundles\[dicom\]"):
        read_photograph(path)


def test_only_photographs_of_a_retina_are_fundus_photographs(tmp_path: Path) -> None:
    write_photograph(tmp_path / "wall.dcm", np.full((300, 400, 3), 200, np.uint8))
    with pytest.raises(DataError, match="none of 1 pictures is a fundus photograph"):
        find_photographs(tmp_path)
