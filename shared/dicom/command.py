"""`python -m shared dicom`: DICOM files out of pictures and volumes, for trying what reads DICOM."""

from __future__ import annotations

from pathlib import Path

from shared.data.listing import SUFFIXES
from shared.data.photograph import read_photograph
from shared.data.volume_file import VolumeFile
from shared.data.volume_header import VOLUME_SUFFIXES, volume_stem
from shared.dicom.wrap import SIDES, wrap_photograph, wrap_tomography
from shared.errors import ConfigError, DataError
from shared.report.files import safe_name

KINDS = (*sorted(SUFFIXES), *VOLUME_SUFFIXES)


def dicom(source: str, target: str, *, eye: str = "right") -> str:
    """Wrap pictures as Ophthalmic Photography and volumes as Ophthalmic Tomography, every file called a PHANTOM.

    The files have no patient: name, identifiers and comments say that they are generated. They are for trying things,
    not for archives.

    Args:
        source: a picture, a volume (.mhd, .mha, .nii, .nii.gz), or a folder that is searched for both.
        target: folder for the DICOM files.
        eye: "left" or "right", what the files say they show.

    Raises:
        ConfigError: another eye. DataError: nothing to wrap, or a file that cannot be read.
    """
    if eye not in SIDES:
        raise ConfigError(f"--eye {eye}", expected=" or ".join(SIDES), fix="for example --eye left")
    root = Path(source).expanduser()
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.name.lower().endswith(KINDS))
    if not files:
        raise DataError(
            f"{root} holds nothing to wrap", expected=f"files ending in {', '.join(KINDS)}", fix="correct the path"
        )
    written = []
    for file in files:
        inner = Path(file.name) if root.is_file() else file.relative_to(root)
        stem = volume_stem(file) if _is_volume(file) else file.stem
        path = Path(target) / f"{safe_name(inner.with_name(stem).as_posix())}.dcm"
        written.append(_wrap(file, path, eye=eye))
    return "\n".join([*map(str, written), f"{len(written)} DICOM files, generated and labelled PHANTOM"])


def _wrap(file: Path, path: Path, *, eye: str) -> Path:
    if not _is_volume(file):
        return wrap_photograph(read_photograph(file).pixels_HW3, path, eye=eye)
    with VolumeFile(file) as volume:
        if volume.dtype.name not in ("uint8", "uint16"):
            raise DataError(
                f"{file} has {volume.dtype} voxels",
                expected="uint8 or uint16, as OCT scanners export them",
                fix="convert the volume, or take it out of the folder",
            )
        return wrap_tomography(volume.read(), path, geometry=volume.geometry, physical=volume.physical, eye=eye)


def _is_volume(file: Path) -> bool:
    return file.name.lower().endswith(VOLUME_SUFFIXES)
