"""Every bundle's inference on DICOM: the same findings as on the picture or volume, and a segmentation beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from shared.data.photograph import read_photograph
from shared.data.volume_file import VolumeFile
from shared.data.volume_header import is_volume_file
from shared.dicom.command import dicom
from tests.support.bundle import run
from tests.support.dicom import PATIENT, eye_pixels, scan_voxels, write_photograph, write_scan
from tests.support.tiny import BUNDLES, TINY, only_accepted
from tests.support.trained import train

BAD = {"empty.dcm": "0 bytes", "text.dcm": "no DICM at byte 128", "header.dcm": "has no pixel data"}


@pytest.fixture
def infer(
    tiny_of: Callable[..., dict[str, Any]], phantoms_of: Callable[..., Path], store: str, tmp_path: Path
) -> Callable[..., Path]:
    """(bundle, what to read, name of the output folder) -> the folder, by one run of inference.json."""

    def call(bundle: str, read: Path, name: str) -> Path:
        model = tmp_path / "trained" / "models" / "model.pt"
        if not model.exists():
            tiny_of(bundle)  # its side effects: paths and threads
            train(bundle, tmp_path / "trained", phantoms=phantoms_of(bundle))
        keys = only_accepted(TINY[bundle].keys, bundle, "inference") | {"device": "cpu", "amp": False}
        folders = {"dataset_dir": str(read), "output_dir": str(tmp_path / name), "ckpt_path": str(model)}
        run(bundle, "inference", **keys, **folders, tracking_uri=store, workflow_type="infer")
        return tmp_path / name

    return call


def plain_sample(bundle: str, phantoms: Path, folder: Path) -> Path:
    """One phantom as a file without loss: a picture as PNG, or a volume as it is."""
    sample = phantoms / TINY[bundle].inferred
    if is_volume_file(sample):
        return sample
    one = sample if sample.is_file() else next(f for f in sorted(sample.iterdir()) if f.suffix in (".jpg", ".png"))
    folder.mkdir()
    Image.fromarray(read_photograph(one).pixels_HW3).save(folder / "eye.png")
    return folder / "eye.png"


def spoil(folder: Path, *, volume: bool) -> None:
    """Put a file of every kind in `BAD` beside a good one."""
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "text.dcm").write_text("this is no DICOM file " * 20)
    if volume:
        write_scan(folder / "header.dcm", scan_voxels(), PixelData=None)
    else:
        write_photograph(folder / "header.dcm", eye_pixels(), PixelData=None)


def masks_of(output: Path, content: dict[str, Any]) -> list[np.ndarray]:
    """What was written as pictures or as a label volume, bool, in the order of the segments."""
    files = content["files"]
    if "labels.mha" in files:
        labels_NHW = VolumeFile(output / files["labels.mha"]).read()
        return [labels_NHW == number for number in content["classes"].values()]
    names = [name for name in files if name.startswith("mask_")]
    return [np.asarray(Image.open(output / files[name]))[None] for name in names]


def segments_of(path: Path, like: list[np.ndarray]) -> list[np.ndarray]:
    """The same from the DICOM segmentation, by pydicom alone."""
    dataset = pydicom.dcmread(path)
    found = [np.zeros_like(mask, dtype=bool) for mask in like]
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    groups = dataset.SharedFunctionalGroupsSequence[0]
    for item, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        owner = item if "SegmentIdentificationSequence" in item else groups
        source = item.DerivationImageSequence[0].SourceImageSequence[0]
        number = owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[number - 1][int(source.get("ReferencedFrameNumber", 1)) - 1] = frame.astype(bool)
    assert len(dataset.SegmentSequence) == len(like)
    return found


@pytest.mark.parametrize("bundle", BUNDLES)
def test_dicom_gives_what_the_picture_gives_and_a_segmentation(
    bundle: str, infer: Callable[..., Path], phantoms_of: Callable[..., Path], tmp_path: Path
) -> None:
    sample = plain_sample(bundle, phantoms_of(bundle), tmp_path / "plain")
    dicom(str(sample), str(tmp_path / "dicom"))
    (wrapped,) = (tmp_path / "dicom").iterdir()
    dataset = pydicom.dcmread(wrapped)
    assert "PHANTOM" in str(dataset.PatientName)
    assert "PHANTOM" in dataset.ImageComments
    dataset.PatientName = PATIENT
    dataset.save_as(wrapped)
    spoil(tmp_path / "dicom", volume=is_volume_file(sample))

    expected = infer(bundle, sample, "expected")
    output = infer(bundle, tmp_path / "dicom", "output")

    (plain_json,), (json_file,) = ((folder / "json").glob("*.json") for folder in (expected, output))
    content, plain = json.loads(json_file.read_text()), json.loads(plain_json.read_text())
    masks, plain_masks = masks_of(output, content), masks_of(expected, plain)
    assert masks
    for mask, plain_mask in zip(masks, plain_masks, strict=True):
        np.testing.assert_array_equal(mask, plain_mask)
    assert content.get("spacing_zyx_mm") == plain.get("spacing_zyx_mm")
    assert "dicom_seg" not in plain["files"]
    path = output / content["files"]["dicom_seg"]
    for mask, segment in zip(masks, segments_of(path, masks), strict=True):
        np.testing.assert_array_equal(segment, mask)
    segmentation = pydicom.dcmread(path)
    algorithm = segmentation.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == bundle
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == dataset.SeriesInstanceUID
    with (output / "refused.csv").open(newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    reasons = {Path(path).name: reason for path, reason in rows}
    assert reasons.keys() == BAD.keys()
    assert all(BAD[name] in reason for name, reason in reasons.items())
    texts = [file for file in output.rglob("*") if file.suffix in (".json", ".csv")]
    assert texts
    assert not any(PATIENT in file.read_text() for file in texts)
