"""The folder of images, and what may be put into it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.exception import ImageNotFoundException

from shared.data.bscan_pictures import PICTURE_SUFFIXES
from shared.data.photograph import photograph_size, read_photograph
from shared.data.volume_file import VolumeFile
from shared.errors import DataError
from shared.label.labelled import read_label_map
from shared.label.result import volume_suffix

# A header alone names the file of its voxels, which would have to be uploaded beside it: no .mhd.
VOLUMES = (".nii.gz", ".nii", ".mha")
SUFFIXES = (*PICTURE_SUFFIXES, *VOLUMES)
PATTERNS = [f"*{form}" for suffix in SUFFIXES for form in dict.fromkeys((suffix, suffix.upper()))]
NAME = r"[^/\\\x00]{1,200}"


class CheckedDatastore(LocalDatastore):
    """`LocalDatastore` that looks at what it is given before it keeps it."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep an uploaded image.

        Raises:
            DataError: a name that would lie elsewhere, a kind that is not served, or a file that cannot be read.
        """
        _check_name("image", image_id)
        check_image(Path(image_filename))
        return str(super().add_image(image_id, image_filename, image_info))

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Keep a label map.

        Raises:
            ImageNotFoundException: of an image that is not there.
            DataError: it cannot be read, or has another size than its image.
        """
        uri = self.get_image_uri(image_id)
        if not uri:
            raise ImageNotFoundException(f"Image {image_id!r} not found")
        _check_name("tag", str(getattr(label_tag, "value", label_tag)))
        check_label(Path(label_filename), image=Path(uri))
        return str(super().save_label(image_id, label_filename, label_tag, label_info))


def check_image(file: Path) -> None:
    """Decode a picture, or read a volume's header and first B-scan.

    Raises:
        DataError: not of `SUFFIXES`, empty, damaged, or larger than any photograph is.
    """
    _check_kind(file, SUFFIXES)
    if volume_suffix(file):
        with VolumeFile(file) as volume:
            volume.read(0, 1)
    else:
        read_photograph(file)


def check_label(file: Path, *, image: Path) -> None:
    """Compare a label map with its image.

    Raises:
        DataError: it cannot be read, or has another size.
    """
    _check_kind(file, SUFFIXES)
    own: tuple[int, ...]
    wanted: tuple[int, ...]
    if volume_suffix(image):
        with VolumeFile(image) as volume, VolumeFile(file, label=True) as label:
            own, wanted = label.geometry.size_NHW, volume.geometry.size_NHW
    else:
        own, wanted = tuple(read_label_map(file).shape), photograph_size(image, upright=False)
        wanted = wanted if own == wanted else photograph_size(image)
    if tuple(own) != tuple(wanted):
        raise DataError(
            f"the label map is {'x'.join(map(str, own))}, its image {'x'.join(map(str, wanted))} (slices x rows x "
            "columns)"
            if len(own) == 3
            else f"the label map is {own[1]}x{own[0]}, its image {wanted[1]}x{wanted[0]}",
            expected="a label map of its image's size",
            fix="save the label map at the image's own size",
        )


def _check_kind(file: Path, suffixes: tuple[str, ...]) -> None:
    if not file.stat().st_size:
        raise DataError("the file has 0 bytes", expected="an image", fix="upload it again")
    if not file.name.lower().endswith(suffixes):
        raise DataError(
            f"the file ends in {file.suffix or 'nothing'}",
            expected=f"one of {', '.join(suffixes)}",
            fix="convert the file, or name it as what it is",
        )


def _check_name(what: str, name: str) -> None:
    if name and (not re.fullmatch(NAME, name) or name.startswith(".")):
        raise DataError(
            f"the {what} is called {name!r}", expected="a plain name, without / and no dot first", fix="rename it"
        )
