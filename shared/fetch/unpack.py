"""Archives into folders that appear only when they are complete."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from shared.errors import DataError
from shared.files import WRITABLE
from shared.progress import progress_bar


def unpack(archive: str | Path, folder: str | Path) -> Path:
    """Unpack the folder of that name from a tar file into its place.

    Members that would lie outside, links outward and devices are refused (`tarfile`'s filter "data").

    Raises:
        DataError: a damaged or hostile archive, one without the folder, or a disk that cannot be written.
    """
    archive, folder = Path(archive), Path(folder)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.building-", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            for member in progress_bar(tar, desc=f"unpacking {archive.name}", unit="file"):
                tar.extract(member, building, filter="data")
        if not (building / folder.name).is_dir():
            raise _bad(archive, f"it holds no folder {folder.name!r}")
        (building / folder.name).replace(folder)
    except (tarfile.TarError, EOFError) as error:
        raise _bad(archive, str(error)) from error
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error}", expected=WRITABLE, fix="free space, or name another --output_dir"
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _bad(archive: Path, problem: str) -> DataError:
    return DataError(
        f"cannot unpack {archive}: {problem}",
        expected="the whole archive as published",
        fix="delete it and run the command again",
    )
