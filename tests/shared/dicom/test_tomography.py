"""OCT volumes out of DICOM: voxels, geometry against highdicom's and ITK's, and what must be refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import highdicom
import itk
import numpy as np
import pydicom
import pytest

from shared.data.contents import content_key
from shared.data.volume_cache import VolumeCache
from shared.data.volume_file import VolumeFile, data_files
from shared.data.volume_header import is_volume_file, read_header, volume_stem
from shared.errors import DataError
from tests.support.dicom import GEOMETRY, eye_pixels, scan_voxels, write_photograph, write_scan


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["explicit", "implicit", "big_endian", "deflated", "rle", "jpeg_ls", "jpeg_2000"])
def test_voxels_come_back(kind: str, bits: int, tmp_path: Path) -> None:
    voxels = scan_voxels(bits=bits)
    path = write_scan(tmp_path / "scan.dcm", voxels, kind=kind)
    with VolumeFile(path) as volume:
        assert volume.dtype == voxels.dtype
        np.testing.assert_array_equal(volume.read(), voxels)
        np.testing.assert_array_equal(volume.read(3, 4), voxels[3:4])
        assert volume.intensities().max() == pytest.approx(voxels.max() / (2**bits - 1))
    assert is_volume_file(path)
    assert (volume_stem(path), data_files(path)) == ("scan", [path])
    assert "scan.dcm" in content_key(path)
    assert VolumeCache((12, 16), num_classes=4).images(path).shape == (5, 12, 16)


def test_geometry_is_highdicoms_and_itks(tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.dcm", scan_voxels())
    volume = VolumeFile(path)
    assert volume.physical
    assert volume.geometry.size_NHW == GEOMETRY.size_NHW
    for own, given in zip(volume.geometry[1:], GEOMETRY[1:], strict=True):
        np.testing.assert_allclose(own, given, rtol=1e-9)
    # highdicom's axes are slices, rows, columns; ours columns, rows, slices.
    affine = highdicom.imread(str(path)).get_volume().affine
    own_affine = np.asarray(volume.geometry.direction) * np.asarray(volume.geometry.spacing_xyz)
    frames = np.arange(5)
    places = affine[:3, :3] @ np.stack([frames, 0 * frames, 0 * frames]) + affine[:3, 3:]
    own_places = np.asarray(volume.geometry.origin_xyz)[:, None] + own_affine[:, 2:] * frames
    np.testing.assert_allclose(sorted(places.T.tolist()), sorted(own_places.T.tolist()), atol=1e-9)
    np.testing.assert_allclose(affine[:3, [2, 1]], own_affine[:, :2], atol=1e-12)
    # GDCM, within ITK, does not read the orientation of Ophthalmic Tomography: spacing and origin only.
    image = itk.imread(str(path))
    np.testing.assert_allclose(list(image.GetSpacing()), volume.geometry.spacing_xyz, rtol=1e-6)
    np.testing.assert_allclose(list(image.GetOrigin()), volume.geometry.origin_xyz, rtol=1e-6)


def changed(path: Path, change: str) -> VolumeFile:
    """A scan with something taken out of its functional groups or changed in them."""
    write_scan(path, scan_voxels())
    dataset = pydicom.dcmread(path)
    (groups,), frames = dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence
    if change in ("no positions", "neither positions nor distance"):
        for frame in frames:
            del frame.PlanePositionSequence
    if change == "neither positions nor distance":
        del groups.PixelMeasuresSequence[0].SpacingBetweenSlices
    if change == "no groups":
        del dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence
    if change == "uneven":
        frames[2].PlanePositionSequence[0].ImagePositionPatient[1] += 0.02
    if change == "sheared":
        for number, frame in enumerate(frames):
            frame.PlanePositionSequence[0].ImagePositionPatient[0] += 0.05 * number
    if change == "all in one place":
        for frame in frames:
            frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 0]
    if change == "radial":
        del groups.PlaneOrientationSequence
        for number, frame in enumerate(frames):
            orientation = pydicom.Dataset()
            angle = np.pi * number / 5
            orientation.ImageOrientationPatient = [round(np.cos(angle), 6), round(np.sin(angle), 6), 0, 0, 0, -1]
            frame.PlaneOrientationSequence = [orientation]
    if change == "measures in every frame":
        for frame in frames:
            frame.PixelMeasuresSequence = groups.PixelMeasuresSequence
        del groups.PixelMeasuresSequence
    dataset.save_as(path)
    return VolumeFile(path)


@pytest.mark.parametrize(
    "change", ["neither positions nor distance", "no groups", "uneven", "sheared", "all in one place", "radial"]
)
def test_frames_that_are_no_even_stack_are_not_measured_in_mm(change: str, tmp_path: Path) -> None:
    volume = changed(tmp_path / "scan.dcm", change)
    assert not volume.physical
    assert volume.geometry.spacing_xyz == (1, 1, 1)
    np.testing.assert_array_equal(volume.read(), scan_voxels())


def test_a_distance_does_for_positions_and_measures_may_be_in_every_frame(tmp_path: Path) -> None:
    nowhere = changed(tmp_path / "a.dcm", "no positions")
    np.testing.assert_allclose(nowhere.geometry.spacing_xyz, GEOMETRY.spacing_xyz)
    assert (nowhere.physical, nowhere.geometry.origin_xyz) == (True, (0, 0, 0))
    each = changed(tmp_path / "b.dcm", "measures in every frame")
    np.testing.assert_allclose(each.geometry.spacing_xyz, GEOMETRY.spacing_xyz)


def test_a_single_bscan_has_its_thickness(tmp_path: Path) -> None:
    volume = VolumeFile(write_scan(tmp_path / "one.dcm", scan_voxels()[:1]))
    assert (volume.num_slices, volume.physical) == (1, True)
    np.testing.assert_allclose(volume.geometry.spacing_xyz, GEOMETRY.spacing_xyz)


def test_monochrome1_is_inverted_by_the_bits_stored(tmp_path: Path) -> None:
    voxels = scan_voxels() >> 4
    path = write_scan(tmp_path / "scan.dcm", voxels, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(VolumeFile(path).read(), 4095 - voxels)


def test_bad_volumes_are_refused(tmp_path: Path) -> None:
    content = write_scan(tmp_path / "whole.dcm", scan_voxels()).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(content[:-2000])
    rle = write_scan(tmp_path / "rle.dcm", scan_voxels(), kind="rle").read_bytes()
    (tmp_path / "rle.dcm").write_bytes(rle[:-3000])
    write_scan(tmp_path / "pixels.dcm", scan_voxels(), PixelData=None)
    write_photograph(tmp_path / "eye.dcm", eye_pixels())
    write_scan(tmp_path / "more.dcm", scan_voxels(), NumberOfFrames=9)
    said = {
        "cut.dcm": "cannot be decoded",
        "rle.dcm": "as DICOM",
        "pixels.dcm": "has no pixel data: it is Ophthalmic Tomography",
        "eye.dcm": "Ophthalmic Photography 8 Bit",
        "more.dcm": "cannot be decoded",
    }
    for name, text in said.items():
        with pytest.raises(DataError, match=text) as caught:
            read_header(tmp_path / name)
        assert name in str(caught.value)


def test_damage_in_the_middle_is_found_while_reading_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = write_scan(tmp_path / "scan.dcm", scan_voxels(bits=8), kind="jpeg_2000")
    content = bytearray(path.read_bytes())
    second = content.find(b"\xff\x4f\xff\x51", content.find(b"\xff\x4f\xff\x51") + 1)
    content[second : second + 60] = bytes(60)
    path.write_bytes(content)
    volume = VolumeFile(path)
    with pytest.raises(DataError, match="cannot be decoded"):
        volume.read(0, 1)
    assert not list((tmp_path / "temporary").iterdir())
