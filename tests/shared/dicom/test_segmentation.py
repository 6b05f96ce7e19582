"""DICOM SEG, opened again by pydicom alone and by ITK: the masks, their places, codes and references."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import itk
import numpy as np
import pydicom
import pytest
from pydicom.sr._concepts_dict import concepts

from shared.data.volume_file import VolumeFile
from shared.dicom.concepts import ABNORMAL, ANATOMICAL, EYE, FINDINGS, RETINA, SIDES, SNOMED, SPATIAL, finding_of
from shared.dicom.segmentation import NoSegmentationError, write_photograph_segmentation, write_volume_segmentation
from shared.dicom.volume_writer import SegmentationWriter
from shared.errors import DataError
from tests.support.dicom import GEOMETRY, PATIENT, eye_pixels, scan_voxels, write_photograph, write_scan

OPHTHALMIC = "1.2.840.10008.5.1.4.1.1.77.1.5."
SIZE = (96, 120)


def masks() -> dict[str, np.ndarray]:
    """Overlapping lesions, a disc, and a lesion that is not there."""
    found = {name: np.zeros(SIZE, bool) for name in ("MA", "HE", "OD", "SE")}
    found["MA"][10:14, 20:31] = found["HE"][12:40, 25:28] = found["OD"][50:70, 80:101] = True
    return found


def labels() -> np.ndarray:
    """IRF in B-scans 1 and 4, PED in 3, no SRF."""
    labels_NHW = np.zeros(GEOMETRY.size_NHW, np.uint8)
    labels_NHW[1, 3:9, 4:8] = labels_NHW[4, 20:24, 30:32] = 1
    labels_NHW[3, 10:11, 5:9] = 3
    return labels_NHW


def segments_of(path: Path) -> dict[str, list[tuple[int, np.ndarray]]]:
    """By pydicom alone: label -> (frame number of the source, bool [H, W]) of every frame."""
    dataset = pydicom.dcmread(path)
    names = {item.SegmentNumber: item.SegmentLabel for item in dataset.SegmentSequence}
    found: dict[str, list[tuple[int, np.ndarray]]] = {name: [] for name in names.values()}
    shared_groups = dataset.SharedFunctionalGroupsSequence[0]
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for groups, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        item = groups if "SegmentIdentificationSequence" in groups else shared_groups
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        name = names[item.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        found[name].append((int(source.get("ReferencedFrameNumber", 1)), frame.astype(bool)))
    return found


def references_of(dataset: pydicom.Dataset) -> set[tuple[str, str]]:
    """(SOP class, instance) of everything that a file refers to."""
    pairs = set()
    for element in dataset.iterall():
        if element.VR == "SQ":
            pairs |= {
                (i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID)
                for i in element.value
                if "ReferencedSOPInstanceUID" in i
            }
    return pairs


def test_masks_of_a_photograph_come_back(tmp_path: Path) -> None:
    source = write_photograph(tmp_path / "eye.dcm", eye_pixels(SIZE), PixelSpacing=[0.01, 0.012])
    path = write_photograph_segmentation(masks(), tmp_path / "out" / "seg.dcm", source=source)
    found = segments_of(path)
    assert list(found) == list(masks())
    for name, mask_HW in masks().items():
        ((_, read_HW),) = found[name]
        np.testing.assert_array_equal(read_HW, mask_HW)
    image = itk.array_from_image(itk.imread(str(path)))
    np.testing.assert_array_equal(image > 0, np.stack([*masks().values()]))
    header = pydicom.dcmread(path)
    assert header.SOPClassUID.name == "Segmentation Storage"
    assert (header.SegmentationType, header.SegmentsOverlap) == ("BINARY", "YES")
    assert list(header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing) == [0.01, 0.012]
    assert "FrameOfReferenceUID" not in header


@pytest.mark.parametrize("kind", ["1", "2"])
def test_references_name_the_source_and_its_own_class(kind: str, tmp_path: Path) -> None:
    source = write_photograph(tmp_path / "eye.dcm", eye_pixels(SIZE), SOPClassUID=OPHTHALMIC + kind)
    header = pydicom.dcmread(source)
    dataset = pydicom.dcmread(write_photograph_segmentation(masks(), tmp_path / "seg.dcm", source=source))
    assert references_of(dataset) == {(header.SOPClassUID, header.SOPInstanceUID)}
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == header.SeriesInstanceUID
    assert dataset.StudyInstanceUID == header.StudyInstanceUID
    assert dataset.SeriesInstanceUID != header.SeriesInstanceUID
    twice = pydicom.dcmread(write_photograph_segmentation(masks(), tmp_path / "twice.dcm", source=source))
    assert twice.SOPInstanceUID != dataset.SOPInstanceUID


def test_patient_and_study_are_copied_and_the_weights_named(tmp_path: Path) -> None:
    source = write_photograph(
        tmp_path / "eye.dcm", eye_pixels(SIZE), PatientName=PATIENT, PatientID="4711", ImageLaterality="L"
    )
    (tmp_path / "model.pt").write_bytes(b"weights")
    provenance = {"bundle": "idrid_moe_mtl", "checkpoint": str(tmp_path / "model.pt"), "commit": "abc", "phantom": True}
    path = write_photograph_segmentation(
        masks(), tmp_path / "seg.dcm", source=source, titles={"MA": "Microaneurysms"}, provenance=provenance
    )
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientName, dataset.PatientID) == (PATIENT, "4711")
    assert "PHANTOMS" in dataset.SeriesDescription
    first = dataset.SegmentSequence[0]
    assert first.SegmentLabel == "Microaneurysms"
    algorithm = first.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, first.SegmentAlgorithmType) == ("idrid_moe_mtl", "AUTOMATIC")
    assert hashlib.sha256(b"weights").hexdigest() in algorithm.AlgorithmParameters
    region = first.AnatomicRegionSequence[0]
    assert (region.CodeMeaning, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("Retina", "Left")


def test_labels_of_a_volume_come_back_in_place(tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.dcm", scan_voxels())
    path = write_volume_segmentation(labels(), tmp_path / "seg.dcm", source=source, classes=["IRF", "SRF", "PED"])
    found = segments_of(path)
    assert {name: sorted(number for number, _ in frames) for name, frames in found.items()} == {
        "IRF": [2, 5],
        "SRF": [],
        "PED": [4],
    }
    for value, name in enumerate(found, start=1):
        for number, mask_HW in found[name]:
            np.testing.assert_array_equal(mask_HW, labels()[number - 1] == value)
    dataset, origin = pydicom.dcmread(path), pydicom.dcmread(source)
    assert dataset.FrameOfReferenceUID == origin.FrameOfReferenceUID
    groups = dataset.SharedFunctionalGroupsSequence[0]
    assert [float(value) for value in groups.PixelMeasuresSequence[0].PixelSpacing] == [0.0039, 0.0117]
    assert float(groups.PixelMeasuresSequence[0].SpacingBetweenSlices) == pytest.approx(0.235)
    orientation = origin.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    assert groups.PlaneOrientationSequence[0].ImageOrientationPatient == orientation
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        number = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        place = origin.PerFrameFunctionalGroupsSequence[int(number) - 1].PlanePositionSequence[0]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == place.ImagePositionPatient
    assert references_of(dataset) == {(origin.SOPClassUID, origin.SOPInstanceUID)}


def test_itk_sees_a_single_fluid_where_the_volume_is(tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.dcm", scan_voxels())
    labels_NHW = (labels() == 1).astype(np.uint8)
    path = write_volume_segmentation(labels_NHW, tmp_path / "seg.dcm", source=source, classes=["fluid"])
    image, geometry = itk.imread(str(path)), VolumeFile(source).geometry
    np.testing.assert_allclose(list(image.GetSpacing()), geometry.spacing_xyz, rtol=1e-6)
    array = itk.array_from_image(image)
    direction = np.asarray(geometry.direction)
    for number, row, column in np.argwhere(labels_NHW):
        place = np.asarray(geometry.origin_xyz) + direction @ (geometry.spacing_xyz * np.array([column, row, number]))
        index = image.TransformPhysicalPointToIndex([float(value) for value in place])
        assert array[index[2], index[1], index[0]] > 0
    assert (array > 0).sum() == labels_NHW.sum()


@pytest.mark.parametrize("empty", [True, False])
def test_a_volume_of_unknown_place_gets_one_of_its_own(empty: bool, tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.dcm", scan_voxels(), physical=False)
    labels_NHW = labels() * (not empty)
    path = write_volume_segmentation(labels_NHW, tmp_path / "seg.dcm", source=source, classes=["IRF", "SRF", "PED"])
    found = segments_of(path)
    for value, name in enumerate(found, start=1):
        for number, mask_HW in found[name]:
            np.testing.assert_array_equal(mask_HW, labels_NHW[number - 1] == value)
    total = sum(int(mask_HW.sum()) for frames in found.values() for _, mask_HW in frames)
    assert total == np.count_nonzero(labels_NHW)


def test_bscans_are_gathered_one_by_one(tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.dcm", scan_voxels())
    whole = write_volume_segmentation(labels(), tmp_path / "whole.dcm", source=source, classes=["IRF", "SRF", "PED"])
    arguments: dict[str, Any] = {
        "geometry": VolumeFile(source).geometry,
        "source": source,
        "classes": ["IRF", "SRF", "PED"],
        "provenance": {},
    }
    with SegmentationWriter(tmp_path / "seg.dcm", **arguments) as writer:
        for labels_HW in labels():
            writer.append(labels_HW)
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "seg.dcm").pixel_array, pydicom.dcmread(whole).pixel_array)
    short = SegmentationWriter(tmp_path / "x.dcm", **arguments)
    for labels_HW in labels()[:4]:
        short.append(labels_HW)
    with pytest.raises(DataError, match="4 of 5 B-scans"):
        short.close()
    assert not (tmp_path / "x.dcm").exists()


def test_snomed_codes_are_those_of_the_standard() -> None:
    used = {ANATOMICAL, ABNORMAL, SPATIAL, RETINA, EYE, *SIDES.values()}
    used |= {finding.kind for finding in FINDINGS.values() if finding.kind.scheme == SNOMED}
    meanings: dict[str, set[str]] = {}
    for entries in concepts["SCT"].values():
        for code, entry in entries.items():
            meanings.setdefault(code, set()).add(entry[0].lower())
    for concept in used:
        assert concept.scheme == SNOMED
        assert concept.meaning.lower() in meanings[concept.value], concept


def test_private_codes_are_said_to_be_private(tmp_path: Path) -> None:
    source = write_photograph(tmp_path / "eye.dcm", eye_pixels(SIZE))
    path = write_photograph_segmentation({"MA": masks()["MA"]}, tmp_path / "a.dcm", source=source)
    (scheme,) = pydicom.dcmread(path).CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99EYE"
    path = write_photograph_segmentation({"OD": masks()["OD"]}, tmp_path / "b.dcm", source=source)
    dataset = pydicom.dcmread(path)
    assert "CodingSchemeIdentificationSequence" not in dataset
    assert dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "81016008"
    unknown = finding_of("drusen", title="Drusen of the macula")
    assert unknown.kind == ("DRUSEN", "99EYE", "Drusen of the macula")


def test_sources_with_odd_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = dict.fromkeys(("PatientID", "StudyDate", "AccessionNumber", "Manufacturer", "SeriesNumber"))
    source = write_photograph(tmp_path / "bare.dcm", eye_pixels(SIZE), **bare)
    path = write_photograph_segmentation(masks(), tmp_path / "seg.dcm", source=source)
    assert pydicom.dcmread(path).PatientID == ""
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(NoSegmentationError, match="highdicom, which writes its segmentation, is not installed"):
        write_photograph_segmentation(masks(), tmp_path / "seg.dcm", source=source)


def test_json_and_tables_hold_no_patient(tmp_path: Path) -> None:
    """What writers add to JSON is the name of the file and nothing else."""
    from shared.handlers.output_writer import OutputWriter

    source = write_photograph(tmp_path / "eye.dcm", eye_pixels(SIZE), PatientName=PATIENT, PatientID="4711")
    writer = OutputWriter(output_dir=tmp_path / "out")
    files = writer.write_segmentation("eye", source, masks())
    assert files == {"dicom_seg": "segmentations/eye.dcm"}
    assert PATIENT not in json.dumps(files)
    assert segments_of(tmp_path / "out" / files["dicom_seg"]).keys() == masks().keys()
    (tmp_path / "eye.png").write_bytes(b"")
    assert writer.write_segmentation("eye", tmp_path / "eye.png", masks()) == {}


def test_a_source_that_highdicom_cannot_refer_to_costs_the_segmentation_only(tmp_path: Path) -> None:
    from shared.handlers.output_writer import OutputWriter

    source = write_photograph(tmp_path / "eye.dcm", eye_pixels(SIZE), PatientName=PATIENT, StudyDate="yesterday")
    writer = OutputWriter(output_dir=tmp_path / "out")
    assert writer.write_segmentation("eye", source, masks()) == {}
    ((path, reason),) = writer.refused
    assert path == str(source)
    assert "read, but without a DICOM segmentation: highdicom cannot refer" in reason
    assert PATIENT not in reason
