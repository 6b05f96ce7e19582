"""The command `python -m shared unpack`: a bundle's zip, opened without trusting it."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from shared.errors import DataError
from shared.files import WRITABLE
from shared.handlers.load import read_tensors
from shared.package.contents import LARGE_FILES, MODEL
from shared.package.pack import CHECKSUMS

LARGEST_BYTES = 4 * 1024**3
MOST_FILES = 10_000
TRUST = (
    "a bundle's configuration and scripts are code, and running them runs it. Nothing was run yet: look into configs/ "
    "and scripts/ if you do not trust whoever gave you this file"
)


def unpack(file: str, *, output_dir: str = ".", name: str = "") -> None:
    """Unpack a bundle's zip: refuses what would land outside, damaged files, and weights that hold code. Runs nothing.

    Args:
        file: the zip.
        output_dir: the bundle's folder is made in here.
        name: of that folder; default: as in the zip.
    """
    folder = unpack_bundle(Path(file).expanduser(), Path(output_dir).expanduser(), name=name)
    print(f"unpacked     {folder}\nbeware       {TRUST}")
    if (folder / LARGE_FILES).is_file() and not (folder / "models" / MODEL).is_file():
        print(f"weights      not inside; python -m monai.bundle download_large_files --bundle_path {folder}")


def unpack_bundle(file: Path, output_dir: Path, *, name: str = "") -> Path:
    """Unpack into a folder that appears only when everything in it was checked.

    Returns:
        the bundle's folder.

    Raises:
        DataError: no zip, a hostile or damaged one, a folder that exists, or a disk that cannot be written.
        CheckpointError: the weights are no plain tensors.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            top = check_members(archive, file)
            target = output_dir / (name or top)
            if target.exists():
                raise DataError(
                    f"{target} exists", expected="a new folder", fix="give --output_dir or --name, or move it away"
                )
            output_dir.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=output_dir))
            try:
                archive.extractall(building)
                check_content(building / top, file)
                (building / top).replace(target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise _refused(file, f"is damaged or no zip: {error}") from error
    except FileNotFoundError as error:
        raise DataError(f"there is no {file}", expected="a bundle's zip", fix="correct the path") from error
    except OSError as error:
        raise DataError(
            f"cannot unpack {file} into {output_dir}: {error}", expected=WRITABLE, fix="give another --output_dir"
        ) from error
    return target


def check_members(archive: zipfile.ZipFile, file: Path) -> str:
    """Look at names, kinds and sizes before anything is written.

    Returns:
        the only top folder.

    Raises:
        DataError: names the member that is refused.
    """
    members = archive.infolist()
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            raise _refused(file, f"has a member that would land outside: {member.filename!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused(file, f"has a symbolic link: {member.filename!r}")
        if member.flag_bits & 1:
            raise _refused(file, f"is encrypted: {member.filename!r}")
    size = sum(member.file_size for member in members)
    if size > LARGEST_BYTES or len(members) > MOST_FILES:
        raise _refused(file, f"would unpack to {size / 1e9:.1f} GB in {len(members)} files")
    tops = {PurePosixPath(member.filename).parts[0] for member in members}
    names = {member.filename for member in members}
    top = min(tops, default="")
    if len(tops) != 1 or f"{top}/configs/metadata.json" not in names:
        raise _refused(file, f"is no bundle: top folders {', '.join(sorted(tops)[:3]) or 'none'}")
    return top


def check_content(folder: Path, file: Path) -> None:
    """Compare with the checksums inside, where there are some, and read the weights as tensors only."""
    sums = folder / CHECKSUMS
    if sums.is_file():
        _check_sums(folder, file, {name: digest for digest, name in map(str.split, sums.read_text().splitlines())})
    for path in sorted(folder.rglob("*.pt")):
        read_tensors(path)


def _check_sums(folder: Path, file: Path, sums: Mapping[str, str]) -> None:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found.pop(CHECKSUMS)
    if found.keys() != sums.keys():
        odd = sorted(found.keys() ^ sums.keys())
        raise _refused(file, f"does not hold what its {CHECKSUMS} lists: {', '.join(odd[:3])}")
    for name, path in found.items():
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != sums[name]:
                raise _refused(file, f"differs from its {CHECKSUMS} in {name}")


def _refused(file: Path, problem: str) -> DataError:
    return DataError(
        f"{file} {problem}; nothing was unpacked",
        expected="a zip that `python -m shared package BUNDLE` has made",
        fix="get it again from its author",
    )
