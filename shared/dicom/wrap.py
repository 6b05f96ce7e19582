"""DICOM files for trying things: pixels wrapped as Ophthalmic Photography or Tomography, and called phantoms."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.data.volume_writing import VolumeGeometry
from shared.files import atomic_write

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OPHTHALMIC_PHOTOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
OPHTHALMIC_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
SIDES = {"left": "L", "right": "R"}
PATIENT = "PHANTOM^GENERATED"
COMMENT = "PHANTOM: generated test file, no patient's image"
DATE = "20000101"


def wrap_photograph(
    pixels_HW3: NDArray[np.uint8], path: str | Path, *, eye: str = "right", spacing_mm: float | None = None
) -> Path:
    """Write a photograph as Ophthalmic Photography 8 Bit, uncompressed RGB.

    Args:
        pixels_HW3: uint8 RGB.
        path: to write.
        eye: "left" or "right".
        spacing_mm: of pixels at the retina, where known.
    """
    dataset = photograph_dataset(pixels_HW3, name=Path(path).stem, eye=eye, spacing_mm=spacing_mm)
    return save(dataset, path)


def wrap_tomography(
    voxels_NHW: NDArray[Any], path: str | Path, *, geometry: VolumeGeometry, physical: bool = True, eye: str = "right"
) -> Path:
    """Write a volume as multi-frame Ophthalmic Tomography, uncompressed.

    Args:
        voxels_NHW: uint8 or uint16 B-scans.
        path: to write.
        geometry: as ITK has it; without ``physical`` it is left out.
        physical: whether the spacing is in mm.
        eye: "left" or "right".
    """
    dataset = tomography_dataset(voxels_NHW, name=Path(path).stem, geometry=geometry, physical=physical, eye=eye)
    return save(dataset, path)


def photograph_dataset(
    pixels_HW3: NDArray[np.uint8], *, name: str, eye: str = "right", spacing_mm: float | None = None
) -> Dataset:
    """What `wrap_photograph` writes."""
    dataset = _common(OPHTHALMIC_PHOTOGRAPHY, "OP", name, eye)
    _pixels(dataset, pixels_HW3, bits=8)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.NumberOfFrames = 1
    if spacing_mm:
        dataset.PixelSpacing = [spacing_mm, spacing_mm]
    return dataset


def tomography_dataset(
    voxels_NHW: NDArray[Any], *, name: str, geometry: VolumeGeometry, physical: bool = True, eye: str = "right"
) -> Dataset:
    """What `wrap_tomography` writes."""
    dataset = _common(OPHTHALMIC_TOMOGRAPHY, "OPT", name, eye)
    _pixels(dataset, voxels_NHW, bits=8 * voxels_NHW.dtype.itemsize)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames = len(voxels_NHW)
    shared_groups, frames = _item(), []
    column, row, step = geometry.spacing_xyz
    direction = np.asarray(geometry.direction)
    if physical:
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = _uid(name, "frame of reference"), ""
        measures = _item(PixelSpacing=[row, column], SliceThickness=step, SpacingBetweenSlices=step)
        shared_groups.PixelMeasuresSequence = [measures]
        cosines = [f"{value:.10g}" for value in (*direction[:, 0], *direction[:, 1])]
        shared_groups.PlaneOrientationSequence = [_item(ImageOrientationPatient=cosines)]
    for number in range(len(voxels_NHW)):
        content = _item(FrameAcquisitionNumber=1, StackID="1", InStackPositionNumber=number + 1)
        frame = _item(FrameContentSequence=[content])
        if physical:
            place = np.asarray(geometry.origin_xyz) + number * step * direction[:, 2]
            frame.PlanePositionSequence = [_item(ImagePositionPatient=[f"{value:.10g}" for value in place])]
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared_groups], frames
    return dataset


def save(dataset: Dataset, path: str | Path, *, transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN) -> Path:
    """Write a data set whose pixels are as ``transfer_syntax`` has them."""
    import pydicom

    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax)
    return atomic_write(path, lambda file: dataset.save_as(file, enforce_file_format=True))


def _common(sop_class: str, modality: str, name: str, eye: str) -> Dataset:
    now = datetime.datetime(2000, 1, 1).strftime("%Y%m%d%H%M%S")
    return _item(
        SOPClassUID=sop_class,
        SOPInstanceUID=_uid(name, "instance"),
        StudyInstanceUID=_uid(name, "study"),
        SeriesInstanceUID=_uid(name, "series"),
        Modality=modality,
        PatientName=PATIENT,
        PatientID=f"PHANTOM {name}"[:64],
        PatientBirthDate="",
        PatientSex="",
        StudyDate=DATE,
        StudyTime="000000",
        StudyID="PHANTOM",
        AccessionNumber="",
        ReferringPhysicianName="",
        SeriesNumber=1,
        InstanceNumber=1,
        AcquisitionDateTime=now,
        ContentDate=DATE,
        ContentTime="000000",
        Manufacturer="MONAI Eye Bundles (phantom)",
        ManufacturerModelName="phantom",
        DeviceSerialNumber="0",
        SoftwareVersions="0",
        ImageType=["DERIVED", "PRIMARY"],
        ImageComments=COMMENT,
        BurnedInAnnotation="NO",
        ImageLaterality=SIDES[eye],
        LossyImageCompression="00",
    )


def _pixels(dataset: Dataset, pixels: NDArray[Any], *, bits: int) -> None:
    height, width = pixels.shape[:2] if pixels.shape[-1] == 3 and dataset.Modality == "OP" else pixels.shape[1:3]
    dataset.Rows, dataset.Columns = int(height), int(width)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    content = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    dataset.add_new("PixelData", "OB" if bits == 8 else "OW", content + b"\0" * (len(content) % 2))


def _item(**elements: Any) -> Dataset:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _uid(name: str, kind: str) -> str:
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=["monai-eye-bundles phantom", name, kind])
