from __future__ import annotations

import gzip
import pickle
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.data.bscan_pictures import missing_numbers
from shared.data.volume_file import VolumeFile, data_files
from shared.errors import DataError
from tests.support.volumes import draw_labels, draw_volume, write_mhd

ROTATION = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("suffix", ["mhd", "mha"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_metaimage_as_itk_reads_it(tmp_path: Path, kind: str, compress: bool, suffix: str, big_endian: bool) -> None:
    import itk

    voxels = (draw_volume(5, 7, 9, top=1000) % (250 if kind == "u1" else 1000)).astype(kind)
    path = write_mhd(
        tmp_path / f"a.{suffix}",
        voxels,
        spacing=(0.123456789, 0.0039, 0.0117),
        origin=(1.5, -2.25, 0.1),
        matrix=ROTATION,
        compress=compress,
        big_endian=big_endian,
    )
    image = itk.imread(str(path))
    with VolumeFile(path) as volume:
        assert np.array_equal(volume.read(), voxels)
        assert volume.read().dtype == np.dtype(kind) == volume.dtype
        assert np.array_equal(volume.read(2, 4), itk.array_from_image(image)[2:4])
        assert volume.geometry.size_NHW == (5, 7, 9)
        assert volume.geometry.spacing_xyz == tuple(image.GetSpacing())
        assert volume.geometry.origin_xyz == tuple(image.GetOrigin())
        assert np.array_equal(volume.geometry.direction, itk.array_from_matrix(image.GetDirection()))
        assert volume.spacing == (0.123456789, 0.0039, 0.0117)
        assert volume.physical


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_as_itk_reads_it(tmp_path: Path, suffix: str) -> None:
    import itk

    voxels = draw_volume(4, 6, 8, top=4000)
    source = itk.imread(str(write_mhd(tmp_path / "a.mhd", voxels, origin=(3.0, 4.0, 5.0), matrix=ROTATION)))
    path = tmp_path / f"a{suffix}"
    itk.imwrite(source, str(path))
    image = itk.imread(str(path))
    with VolumeFile(path) as volume:
        assert np.array_equal(volume.read(1, 3), voxels[1:3])
        assert volume.geometry.spacing_xyz == tuple(image.GetSpacing())
        assert volume.geometry.origin_xyz == tuple(image.GetOrigin())
        assert np.allclose(volume.geometry.direction, itk.array_from_matrix(image.GetDirection()), atol=1e-12)
        assert volume.physical


def test_nifti_of_nibabel_with_scaling_and_a_fourth_axis(tmp_path: Path) -> None:
    import nibabel

    data = np.arange(8 * 6 * 4, dtype=np.int16).reshape(8, 6, 4, 1)
    image = nibabel.Nifti1Image(data, np.diag([0.01, 0.004, 0.25, 1]))
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "a.nii.gz")
    expected = nibabel.load(tmp_path / "a.nii.gz").get_fdata()[..., 0].T
    with VolumeFile(tmp_path / "a.nii.gz") as volume:
        assert volume.geometry.size_NHW == (4, 6, 8)
        assert np.allclose(volume.read(), expected)
        assert volume.dtype == np.float32


def test_folder_of_pictures_by_the_number_in_their_names(tmp_path: Path) -> None:
    voxels = draw_volume(11, 6, 8)
    for number, bscan in enumerate(voxels):
        Image.fromarray(bscan).save(tmp_path / f"TRAIN001_{number}.png")
        Image.fromarray(bscan // 2).save(tmp_path / f"TRAIN002_{number}.png")
    volume = VolumeFile(tmp_path / "TRAIN001_*.png")
    assert np.array_equal(volume.read(), voxels)
    assert (volume.physical, volume.geometry.spacing_xyz) == (False, (1.0, 1.0, 1.0))
    with pytest.raises(DataError, match="several pictures with number 0, 1"):
        VolumeFile(tmp_path)
    assert len(data_files(tmp_path / "TRAIN002_*.png")) == 11


def test_pictures_of_other_kinds(tmp_path: Path) -> None:
    grey = draw_volume(1, 6, 8)[0]
    for name, picture in {
        "jpeg/0.jpg": Image.fromarray(grey),
        "colour/0.png": Image.fromarray(np.stack([grey] * 3, axis=-1)),
        "deep/0.png": Image.fromarray(draw_volume(1, 6, 8, top=65535)[0]),
    }.items():
        (tmp_path / name).parent.mkdir()
        picture.save(tmp_path / name)
    assert np.abs(VolumeFile(tmp_path / "jpeg").read()[0].astype(int) - grey).mean() < 8
    assert np.array_equal(VolumeFile(tmp_path / "colour").read()[0], grey)
    assert VolumeFile(tmp_path / "deep").dtype == np.uint16
    label = Image.fromarray(draw_labels(2, 6, 8)[1]).convert("P")
    (tmp_path / "labels").mkdir()
    palette = Image.fromarray(draw_labels(2, 12, 16)[1])
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "labels" / "1.png")
    assert label.mode == palette.mode == "P"
    assert np.array_equal(VolumeFile(tmp_path / "labels", label=True).read()[0], draw_labels(2, 12, 16)[1])
    with pytest.raises(DataError, match="has colours"):
        VolumeFile(tmp_path / "colour", label=True)


def test_folders_that_are_no_volume(tmp_path: Path) -> None:
    for number in (0, 1, 2, 5, 7):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / f"b{number}.png")
    with pytest.raises(DataError, match=r"numbered 0 to 7 with gaps: 3, 4, 6"):
        VolumeFile(tmp_path)
    assert VolumeFile(tmp_path, allow_gaps=True).num_slices == 5
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(tmp_path / "b3.png")
    with pytest.raises(DataError, match=re.escape("2 sizes (width x height): 5 of 8x6, such as b0.png; 1 of 9x6")):
        VolumeFile(tmp_path, allow_gaps=True)
    (tmp_path / "b4.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cannot read .*b4\.png"):
        VolumeFile(tmp_path, allow_gaps=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        VolumeFile(tmp_path / "empty")
    assert missing_numbers([10, 15, 20]) == missing_numbers([3]) == []


def test_header_that_promises_more(tmp_path: Path) -> None:
    voxels = draw_volume(4, 6, 8)
    path = write_mhd(tmp_path / "short.mhd", voxels, DimSize="8 6 9")
    with pytest.raises(DataError, match=r"promises 8x6x9 voxels of 1 bytes \(432 bytes\), but short.raw holds 192"):
        VolumeFile(path)
    packed = write_mhd(tmp_path / "packed.mha", voxels, compress=True, DimSize="8 6 9")
    with pytest.raises(DataError, match=r"promises 8x6x9.* holds 192"):
        VolumeFile(packed).read(0, 1)
    content = packed.read_bytes()
    damaged = write_mhd(tmp_path / "cut.mha", voxels, compress=True)
    damaged.write_bytes(damaged.read_bytes()[:-60])
    with pytest.raises(DataError, match="promises"):
        VolumeFile(damaged).read(0, 1)
    packed.write_bytes(content[:-100] + bytes(100))
    with pytest.raises(DataError, match=r"damaged|promises"):
        VolumeFile(packed).read(0, 1)
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write(b"no header")
    with pytest.raises(DataError, match="cannot read"):
        VolumeFile(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"DimSize": "8 six 4"}, "no usable entry"),
        ({"DimSize": "8 6 0"}, "a size of 8x6x0"),
        ({"DimSize": "80000 80000 80000"}, "a size of 80000x80000x80000"),
        ({"ElementType": "MET_ASCII"}, "no usable entry for 'MET_ASCII'"),
        ({"ElementNumberOfChannels": "3"}, "3 channels"),
        ({"ElementDataFile": "LIST"}, "its voxels in 'LIST'"),
        ({"ElementDataFile": "other.raw"}, "needs other.raw, which is not there"),
        ({"NDims": "4", "DimSize": "8 6 4 1"}, "4 dimensions"),
    ],
)
def test_headers_without_sense(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    path = write_mhd(tmp_path / "a.mhd", draw_volume(4, 6, 8), **entries)
    with pytest.raises(DataError, match=re.escape(message)):
        VolumeFile(path)


def test_what_is_no_volume(tmp_path: Path) -> None:
    (tmp_path / "a.mhd").write_bytes(b"\x00\x01" * 1000)
    with pytest.raises(DataError, match="no ElementDataFile"):
        VolumeFile(tmp_path / "a.mhd")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="no volume that can be read"):
        VolumeFile(tmp_path / "a.txt")
    with pytest.raises(DataError, match="there is no volume"):
        VolumeFile(tmp_path / "b.mhd")


@pytest.mark.parametrize("spacing", [(0.0, 0.0, 0.0), (0.25, 0.0, 0.01), (1, 1, 1), None, (float("nan"), 1, 1)])
def test_spacing_that_is_none(tmp_path: Path, spacing: tuple[float, ...] | None) -> None:
    volume = VolumeFile(write_mhd(tmp_path / "a.mhd", draw_volume(2, 6, 8), spacing=spacing))
    assert not volume.physical
    assert volume.read().shape == (2, 6, 8)


def test_one_scale_for_all_kinds(tmp_path: Path) -> None:
    grey = draw_volume(2, 6, 8)
    expected = grey / np.float32(255)
    deep = write_mhd(tmp_path / "deep.mhd", grey.astype(np.uint16) * 257)
    for path in (
        write_mhd(tmp_path / "grey.mhd", grey),
        deep,
        write_mhd(tmp_path / "grey_in_16_bits.mhd", grey.astype(np.uint16)),
        write_mhd(tmp_path / "float.mhd", expected),
    ):
        assert np.allclose(VolumeFile(path).intensities(), expected, atol=1e-6), path
    twelve = np.array([[[0, 4095]]], np.uint16)
    assert VolumeFile(write_mhd(tmp_path / "t.mhd", twelve)).intensities().tolist() == [[[0.0, 1.0]]]
    # The scale is the volume's, not the B-scan's.
    assert np.array_equal(VolumeFile(deep).intensities(0, 1), VolumeFile(deep).intensities()[:1])
    with pytest.raises(DataError, match="voxels from -5"):
        VolumeFile(write_mhd(tmp_path / "n.mhd", np.array([[[-5, 9]]], np.int16))).intensities()
    with pytest.raises(DataError, match="not negative"):
        VolumeFile(write_mhd(tmp_path / "nan.mhd", np.array([[[np.nan, 9]]], np.float32))).intensities()


@pytest.mark.parametrize("compress", [False, True])
def test_memory_does_not_grow_with_the_volume(tmp_path: Path, compress: bool) -> None:
    peaks = []
    for count in (8, 256):
        bscan = np.random.default_rng(0).integers(0, 255, (1, 128, 256), dtype=np.uint16)
        path = write_mhd(tmp_path / f"{count}.mhd", np.repeat(bscan, count, axis=0), compress=compress)
        tracemalloc.start()
        with VolumeFile(path) as volume:
            for start in range(volume.num_slices):
                volume.intensities(start, start + 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 8 B-scans are 0.5 MB, 256 are 16.8 MB.
    assert peaks[1] - peaks[0] < 3 << 20, peaks


def test_it_travels_between_processes(tmp_path: Path) -> None:
    voxels = draw_volume(3, 6, 8)
    volume = VolumeFile(write_mhd(tmp_path / "a.mhd", voxels, compress=True))
    volume.read(0, 1)
    assert np.array_equal(pickle.loads(pickle.dumps(volume)).read(), voxels)
    with pytest.raises(IndexError):
        volume.read(2, 4)
