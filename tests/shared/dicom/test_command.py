"""`python -m shared dicom`: pictures and volumes wrapped as DICOM phantoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from shared.__main__ import main
from shared.data.photograph import read_photograph
from shared.data.volume_file import VolumeFile
from shared.data.volume_writing import open_writer
from shared.dicom.files import eye_of
from tests.support.dicom import GEOMETRY, eye_pixels


def test_a_folder_becomes_dicom_files_that_are_called_phantoms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set" / "clinic").mkdir(parents=True)
    Image.fromarray(eye_pixels()).save(tmp_path / "set" / "clinic" / "eye.png")
    labels_NHW = np.random.default_rng(0).integers(0, 256, GEOMETRY.size_NHW, dtype=np.uint8)
    with open_writer(tmp_path / "set" / "scan.mha", geometry=GEOMETRY) as writer:
        for labels_HW in labels_NHW:
            writer.append(labels_HW)
    main(["dicom", str(tmp_path / "set"), str(tmp_path / "out"), "--eye", "left"])
    assert "2 DICOM files, generated and labelled PHANTOM" in capsys.readouterr().out
    photograph, scan = tmp_path / "out" / "clinic_eye.dcm", tmp_path / "out" / "scan.dcm"
    np.testing.assert_array_equal(read_photograph(photograph).pixels_HW3, eye_pixels())
    volume = VolumeFile(scan)
    np.testing.assert_array_equal(volume.read(), labels_NHW)
    np.testing.assert_allclose(volume.geometry.spacing_xyz, GEOMETRY.spacing_xyz)
    for path in (photograph, scan):
        header = pydicom.dcmread(path)
        assert eye_of(path) == "left"
        assert all("PHANTOM" in str(header[key].value) for key in ("PatientName", "PatientID", "ImageComments"))


def test_nothing_to_wrap_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([str(tmp_path), str(tmp_path / "out")], [str(tmp_path), str(tmp_path), "--eye", "third"]):
        with pytest.raises(SystemExit) as caught:
            main(["dicom", *words])
        assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "holds nothing to wrap" in said
    assert "--eye third" in said
