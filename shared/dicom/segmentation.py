"""DICOM Segmentation (SEG) of what was found in a DICOM image: coded segments that refer to their source."""

from __future__ import annotations

import contextlib
import copy
import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import shared
from shared.dicom.concepts import (
    PRIVATE_SCHEME,
    PRIVATE_SCHEME_NAME,
    SIDES,
    Concept,
    finding_of,
)
from shared.dicom.files import eye_of, read_dataset
from shared.dicom.planes import geometry_of, number_of_frames, planes_of
from shared.draw.look import colour_of, rgb
from shared.errors import DataError
from shared.files import atomic_write, sha256_of

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.dataset import Dataset

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MANUFACTURER = "MONAI Eye Bundles"
# Type 2 of the patient and study modules: there, and empty where a file leaves them out.
EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
NOMINAL_ORIENTATION = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
PHANTOM = " (weights trained on PHANTOMS)"
LONGEST = 64


class NoSegmentationError(DataError):
    """A source was read, but no segmentation that refers to it can be made."""


def write_photograph_segmentation(
    masks: Mapping[str, NDArray[np.bool_]],
    path: str | Path,
    *,
    source: str | Path,
    titles: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write masks of a DICOM photograph as one BINARY segmentation, a segment for every mask, also for empty ones.

    highdicom takes Ophthalmic Photography for a multi-frame image with functional groups, which it is not, so it is
    given a copy of the header that calls itself Secondary Capture; references then name the source's own SOP class.

    Args:
        masks: bool [H, W] by name; one that is smaller than the source is its upper left part (a stereo photograph's
            left view).
        path: to write.
        source: the DICOM photograph.
        titles: of the masks, where they have other than their names.
        provenance: of the weights, `shared.handlers.model_provenance`.

    Raises:
        NoSegmentationError: highdicom is not installed, or cannot refer to the source.
        DataError: the source cannot be read, or the file cannot be written.
    """
    _check_installed(source)
    header = read_dataset(source, name=source, pixels=False)
    size = int(header.Rows), int(header.Columns)
    frames_1HWS = np.zeros((1, *size, len(masks)), np.uint8)
    for place, mask_HW in enumerate(masks.values()):
        frames_1HWS[0, : mask_HW.shape[0], : mask_HW.shape[1], place] = mask_HW
    stand_in = _copy(header)
    stand_in.SOPClassUID = SECONDARY_CAPTURE
    for keyword in ("NumberOfFrames", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient"):
        if keyword in stand_in:
            del stand_in[keyword]
    described = _describe(list(masks), source=source, titles=titles or {}, provenance=provenance or {})
    segmentation = _make(stand_in, frames_1HWS, described, provenance=provenance or {}, omit_empty_frames=False)
    for element in segmentation.iterall():
        if element.keyword == "ReferencedSOPClassUID" and str(element.value) == SECONDARY_CAPTURE:
            element.value = header.SOPClassUID
    # A photograph has no place in the patient; without any orientation GDCM (ITK, 3D Slicer) refuses the file.
    groups = segmentation.SharedFunctionalGroupsSequence[0]
    groups.PlaneOrientationSequence = [_item(ImageOrientationPatient=NOMINAL_ORIENTATION)]
    return _save(segmentation, path)


def write_volume_segmentation(
    labels_NHW: NDArray[np.uint8],
    path: str | Path,
    *,
    source: str | Path,
    classes: Sequence[str],
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write the label volume of a DICOM OCT volume as one BINARY segmentation, a segment for every class.

    Frames have the source's plane positions and refer to its frames; of several classes, frames without any of one are
    left out. Where the source has no frame of reference, or its frames are no regular stack, the segmentation has a
    nominal one of its own (1 mm steps), and its frames find theirs in the source by their reference alone.

    Args:
        labels_NHW: class numbers, 0 for background.
        path: to write.
        source: the DICOM volume.
        classes: names of classes 1..F.
        provenance: of the weights, `shared.handlers.model_provenance`.

    Raises:
        NoSegmentationError, DataError: as of `write_photograph_segmentation`.
    """
    _check_installed(source)
    header = read_dataset(source, name=source, pixels=False)
    described = _describe(list(classes), source=source, titles={}, provenance=provenance or {})
    stand_in = _placed(_copy(header), name=source)
    whole = len(classes) == 1  # then readers that know nothing of segments see the volume itself
    segmentation = _make(stand_in, labels_NHW, described, provenance=provenance or {}, omit_empty_frames=not whole)
    return _save(segmentation, path)


def _placed(header: Dataset, *, name: str | Path) -> Dataset:
    """With frames in a regular stack: the source's own, or a nominal one."""
    import pydicom

    planes, (_, physical) = planes_of(header), geometry_of(header, name=name)
    known = physical and "FrameOfReferenceUID" in header and planes.cosines_6 is not None
    if known and planes.positions_N3 is not None and planes.spacing_yx is not None:
        spacing, cosines, positions_N3 = planes.spacing_yx, planes.cosines_6, planes.positions_N3
        thickness = planes.thickness
    else:
        spacing, cosines, thickness = planes.spacing_yx or (1.0, 1.0), np.array(NOMINAL_ORIENTATION), None
        positions_N3 = np.array([[0.0, 0.0, float(number)] for number in range(number_of_frames(header))])
        header.FrameOfReferenceUID = pydicom.uid.generate_uid()
    assert cosines is not None
    measures = _item(PixelSpacing=_decimal(spacing))
    if thickness:
        measures.SliceThickness = _decimal([thickness])[0]
    orientation = _item(ImageOrientationPatient=_decimal(cosines))
    header.SharedFunctionalGroupsSequence = [
        _item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])
    ]
    header.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=_decimal(place_3))]) for place_3 in positions_N3
    ]
    header.NumberOfFrames = len(positions_N3)
    return header


def _copy(header: Dataset) -> Dataset:
    copied = copy.deepcopy(header)
    for keyword in EMPTY:
        if keyword not in copied:
            setattr(copied, keyword, "")
    return copied


def _describe(
    names: Sequence[str], *, source: str | Path, titles: Mapping[str, str], provenance: Mapping[str, Any]
) -> list[SegmentDescription]:
    import highdicom
    from pydicom.sr.codedict import codes

    checkpoint = Path(str(provenance.get("checkpoint", "")))
    facts = {"weights_sha256": _hash(checkpoint, checkpoint.stat().st_mtime_ns)} if checkpoint.is_file() else {}
    facts |= {key: str(provenance[key]) for key in ("commit", "epoch", "dataset") if provenance.get(key) is not None}
    algorithm = highdicom.AlgorithmIdentificationSequence(
        _bundle(provenance), codes.DCM.ArtificialIntelligence, shared.__version__, parameters=facts
    )
    side = SIDES.get(eye_of(source))
    segments = []
    for number, name in enumerate(names, start=1):
        finding = finding_of(name, title=titles.get(name, ""))
        segment = highdicom.seg.SegmentDescription(
            number,
            (titles.get(name) or name)[:LONGEST],
            _code(finding.category),
            _code(finding.kind),
            highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm,
            anatomic_regions=[_code(finding.region)] if finding.region else None,
            display_color=highdicom.color.CIELabColor.from_rgb(*rgb(colour_of(name, names)).tolist()),
        )
        if finding.region and side:
            segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [_code(side)]
        segments.append(segment)
    return segments


def _make(
    source: Dataset,
    frames: NDArray[np.uint8],
    described: Sequence[SegmentDescription],
    *,
    provenance: Mapping[str, Any],
    omit_empty_frames: bool,
) -> Segmentation:
    import highdicom

    phantom = PHANTOM if provenance.get("phantom") else ""
    with warnings.catch_warnings(), _explained(source):
        warnings.simplefilter("ignore")  # of values in the source that are not as the standard has them
        segmentation = highdicom.seg.Segmentation(
            [source],
            frames,
            highdicom.seg.SegmentationTypeValues.BINARY,
            described,
            series_instance_uid=highdicom.UID(),
            series_number=int(source.get("SeriesNumber") or 0) + 1000,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=_bundle(provenance),
            software_versions=shared.__version__,
            device_serial_number="0",
            content_label="SEGMENTATION",
            content_description=f"{_bundle(provenance)}{phantom}"[:LONGEST],
            omit_empty_frames=omit_empty_frames,
        )
    segmentation.SeriesDescription = f"{_bundle(provenance)} segmentation{phantom}"[:LONGEST]
    if any(item.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == PRIVATE_SCHEME for item in described):
        scheme = _item(CodingSchemeDesignator=PRIVATE_SCHEME, CodingSchemeName=PRIVATE_SCHEME_NAME)
        segmentation.CodingSchemeIdentificationSequence = [scheme]
    return segmentation


@contextlib.contextmanager
def _explained(source: Dataset) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # highdicom, over headers that are not as the standard has them
        raise NoSegmentationError(
            f"highdicom cannot refer to the instance {source.SOPInstanceUID} ({type(error).__name__}: {error})",
            expected="a header as the DICOM standard has it",
            fix="use the masks that lie beside it, or correct the source's header",
        ) from error


def _save(segmentation: Segmentation, path: str | Path) -> Path:
    return atomic_write(path, lambda file: segmentation.save_as(file))


def _bundle(provenance: Mapping[str, Any]) -> str:
    return str(provenance.get("bundle") or "unknown bundle")[:LONGEST]


def _code(concept: Concept) -> Any:
    from highdicom.sr.coding import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)


def _item(**elements: Any) -> Dataset:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _decimal(values: Any) -> list[str]:
    """Numbers as DICOM's decimal strings, of at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value)) for value in values]


@functools.lru_cache(maxsize=4)
def _hash(checkpoint: Path, changed: int) -> str:
    return sha256_of(checkpoint)


def _check_installed(source: str | Path) -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise NoSegmentationError(
            f"{source} is a DICOM file, and highdicom, which writes its segmentation, is not installed",
            expected="the packages of the extra `dicom`",
            fix='pip install "monai-eye-bundles[dicom]", or convert the file to a picture or MetaImage',
        ) from error
