import tracemalloc

import itk
import nibabel
import numpy as np
import pytest

from shared.data.volume_writing import MetaImageWriter, NiftiWriter, VolumeGeometry, open_writer
from shared.errors import ConfigError, DataError

ANGLE = np.deg2rad(30)
TURNED = ((np.cos(ANGLE), -np.sin(ANGLE), 0.0), (np.sin(ANGLE), np.cos(ANGLE), 0.0), (0.0, 0.0, 1.0))
MIRRORED = ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
LEFT_HANDED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
GEOMETRIES = {
    "Duke": VolumeGeometry((3, 5, 7), (0.0117, 0.0038700000000000002, 0.25)),
    "Cirrus": VolumeGeometry((4, 6, 5), (0.01171875, 1 / 512, 0.047244), (1.1, -2.2, 3.3)),
    "turned": VolumeGeometry((2, 4, 3), (0.01, 0.004, 0.12), (-7.25, 0.1, 12.0), TURNED),
    "mirrored": VolumeGeometry((2, 4, 3), (0.01, 0.004, 0.12), (-7.25, 0.1, 12.0), MIRRORED),
    "left-handed": VolumeGeometry((2, 4, 3), (0.01, 0.004, 0.12), (5.0, 6.0, 7.0), LEFT_HANDED),
    "one B-scan": VolumeGeometry((1, 6, 5), (0.01, 0.004, 0.12)),
}
SUFFIXES = (".mha", ".mhd", ".nii.gz", ".nii")


def labels(geometry):
    return np.random.default_rng(0).integers(0, 4, size=geometry.size_NHW).astype(np.uint8)


def write(path, geometry, volume_NHW):
    with open_writer(path, geometry=geometry) as writer:
        for labels_HW in volume_NHW:
            writer.append(labels_HW)
    return path


def as_itk(geometry, volume_NHW):
    image = itk.image_from_array(volume_NHW)
    image.SetSpacing(geometry.spacing_xyz)
    image.SetOrigin(geometry.origin_xyz)
    image.SetDirection(itk.matrix_from_array(np.array(geometry.direction)))
    return image


def seen_by_itk(path):
    image = itk.imread(str(path), itk.UC)
    return (
        tuple(itk.spacing(image)),
        tuple(itk.origin(image)),
        itk.array_from_matrix(image.GetDirection()),
        itk.array_from_image(image),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_itk_reads_the_same_geometry_as_from_its_own_file(tmp_path, suffix, geometry):
    volume_NHW = labels(geometry)
    path = write(tmp_path / f"ours{suffix}", geometry, volume_NHW)
    itk.imwrite(as_itk(geometry, volume_NHW), str(tmp_path / f"itk{suffix}"))
    spacing, origin, direction, pixels_NHW = seen_by_itk(path)
    np.testing.assert_array_equal(pixels_NHW, volume_NHW)
    theirs = seen_by_itk(tmp_path / f"itk{suffix}")
    if suffix in (".mha", ".mhd"):
        assert spacing == geometry.spacing_xyz
        assert origin == geometry.origin_xyz
        np.testing.assert_array_equal(direction, np.array(geometry.direction))
        if geometry.direction != TURNED:  # MetaIO writes fewer digits than it reads
            assert (spacing, origin) == theirs[:2]
    else:
        assert spacing == tuple(float(np.float32(value)) for value in geometry.spacing_xyz)
        assert origin == tuple(float(np.float32(value)) for value in geometry.origin_xyz)
        assert (spacing, origin) == theirs[:2]
        np.testing.assert_allclose(direction, np.array(geometry.direction), atol=1e-6)
        np.testing.assert_allclose(direction, theirs[2], atol=1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_nibabel_reads_qform_and_sform_of_itks_geometry(tmp_path, geometry):
    volume_NHW = labels(geometry)
    image = nibabel.load(write(tmp_path / "x.nii.gz", geometry, volume_NHW))
    x, y, z = np.array([4, 2, 1]) % np.array(geometry.size_NHW[::-1])
    index = [int(x), int(y), int(z)]
    lps = as_itk(geometry, volume_NHW).TransformIndexToPhysicalPoint(index)
    ras = np.array([-lps[0], -lps[1], lps[2]])
    for affine, tolerance in ((image.affine, 2e-6), (image.get_sform(), 2e-6), (image.get_qform(), 1e-5)):
        np.testing.assert_allclose((affine @ [*index, 1])[:3], ras, atol=tolerance)
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    np.testing.assert_array_equal(image.affine, geometry.affine_ras.astype(np.float32).astype(float))
    np.testing.assert_array_equal(image.header.get_zooms(), np.array(geometry.spacing_xyz, np.float32))
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume_NHW.T)


def test_metaimage_with_and_without_compression(tmp_path):
    geometry = VolumeGeometry((9, 64, 48), (0.01, 0.004, 0.12))
    volume_NHW = np.zeros(geometry.size_NHW, np.uint8)
    volume_NHW[3, 20:30, 10:20] = 2
    sizes = {}
    for compress in (True, False):
        path = tmp_path / f"{compress}.mhd"
        with MetaImageWriter(path, geometry=geometry, compress=compress) as writer:
            for labels_HW in volume_NHW:
                writer.append(labels_HW)
        np.testing.assert_array_equal(seen_by_itk(path)[3], volume_NHW)
        sizes[compress] = (tmp_path / f"{compress}.{'zraw' if compress else 'raw'}").stat().st_size
    assert sizes[False] == volume_NHW.size
    assert sizes[True] < volume_NHW.size / 20


def test_the_same_bytes_twice(tmp_path):
    geometry = GEOMETRIES["Cirrus"]
    for suffix in SUFFIXES:
        first, second = (write(tmp_path / f"{part}/x{suffix}", geometry, labels(geometry)) for part in "ab")
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_unfinished_volume_leaves_no_file_and_keeps_the_old_one(tmp_path, suffix):
    geometry = GEOMETRIES["Duke"]
    path = write(tmp_path / f"x{suffix}", geometry, labels(geometry))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="B-scan 2"):
        write(path, geometry, [np.ones((5, 7), np.uint8), np.ones((6, 7), np.uint8)])
    writer = open_writer(path, geometry=geometry)
    writer.append(np.ones((5, 7), np.uint8))
    with pytest.raises(DataError, match="1 of 3 B-scans"):
        writer.close()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wrong_sizes_and_numbers_are_refused(tmp_path, suffix):
    geometry = GEOMETRIES["Duke"]
    writer = open_writer(tmp_path / f"x{suffix}", geometry=geometry)
    with pytest.raises(ConfigError, match=r"B-scan 1 of size \(7, 5\)"):
        writer.append(np.ones((7, 5), np.uint8))
    for labels_HW in labels(geometry):
        writer.append(labels_HW)
    with pytest.raises(ConfigError, match="B-scan 4"):
        writer.append(np.ones((5, 7), np.uint8))
    writer.close()


def test_unknown_suffix_and_a_volume_too_large_for_nifti(tmp_path):
    with pytest.raises(ConfigError, match=r"one of .mha, .mhd, .nii.gz, .nii"):
        open_writer(tmp_path / "x.tif", geometry=GEOMETRIES["Duke"])
    with pytest.raises(ConfigError, match="32767"):
        NiftiWriter(tmp_path / "x.nii", geometry=VolumeGeometry((1, 2, 40000)))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file")
    for suffix in SUFFIXES:
        with pytest.raises(DataError, match="cannot write"):
            open_writer(tmp_path / f"out/x{suffix}", geometry=GEOMETRIES["Duke"])


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
def test_a_full_disk_is_explained(tmp_path, monkeypatch, suffix):
    writer = open_writer(tmp_path / f"x{suffix}", geometry=VolumeGeometry((2, 512, 512)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.streams[0], "file", type("Full", (), {"write": full, "flush": full, "close": full})())
    if suffix == ".nii.gz":
        monkeypatch.setattr(writer.zip, "fileobj", writer.streams[0].file)
    noise = np.random.default_rng(0).integers(0, 255, (512, 512)).astype(np.uint8)
    with pytest.raises(DataError, match="No space left"):
        writer.append(noise)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
def test_memory_does_not_grow_with_the_number_of_bscans(tmp_path, suffix):
    labels_HW = np.random.default_rng(0).integers(0, 4, (96, 96)).astype(np.uint8)
    peaks = []
    write(tmp_path / f"warm{suffix}", VolumeGeometry((1, 96, 96)), [labels_HW])
    for count in (16, 256):
        tracemalloc.start()
        write(tmp_path / f"{count}{suffix}", VolumeGeometry((count, 96, 96)), (labels_HW for _ in range(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 16 * 96 * 96, peaks
