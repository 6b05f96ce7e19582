"""Where uploads and results lie: one folder per open page, removed with the next file, the page, or the server."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from PIL import Image

from shared.demo.library import Bundle, Library
from shared.demo.reading import Reading
from shared.demo.uploads import BSCAN, check_upload


class Shown(NamedTuple):
    """A reading, whose it is, the word by which its files are asked for, and whether it is of a phantom."""

    token: str
    folder: Path
    bundle: Bundle
    reading: Reading
    phantom: bool = False


class Sessions:
    """Reads files for pages and keeps the last result of each.

    Args:
        library: the bundles.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.root = Path(tempfile.mkdtemp(prefix="eye_bundles_demo_"))
        self.shown: dict[str, Shown] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def read(self, session: str, upload: Path, *, name: str = "") -> Shown:
        """Move an uploaded file to the session's folder, and read it.

        Args:
            session: of a page; its last result is removed first.
            upload: the file; it is gone afterwards, also after an error.
            name: of the bundle; by default the one for such a file.

        Raises:
            EyeBundlesError: the file or the weights cannot be read.
        """
        folder = self._folder(session)
        try:
            path = Path(shutil.move(upload, folder / upload.name))
            kind = check_upload(path)
            return self._read(session, folder, path, kind=kind, bundle=self.library.choose(kind, name=name))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            upload.unlink(missing_ok=True)

    def sample(self, session: str, name: str) -> Shown:
        """Read a bundle's phantom.

        Raises:
            EyeBundlesError: the bundle has no weights or no sample.
        """
        bundle = self.library.choose(self.library.bundles[name].reads[0], name=name)
        drawn = self.library.sample(bundle)
        folder = self._folder(session)
        try:
            path = cut(drawn, bundle.samples.get("part"), folder / f"PHANTOM_{drawn.stem}.png")
            return self._read(session, folder, path, kind=bundle.reads[0], bundle=bundle, phantom=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def find(self, token: str) -> Shown | None:
        """A result by its word."""
        return next((shown for shown in list(self.shown.values()) if shown.token == token), None)

    def leave(self, session: str) -> None:
        """Remove what a page has left."""
        shown = self.shown.pop(session, None)
        if shown is not None:
            shutil.rmtree(shown.folder, ignore_errors=True)

    def _read(
        self, session: str, folder: Path, path: Path, *, kind: str, bundle: Bundle, phantom: bool = False
    ) -> Shown:
        if kind == BSCAN and "OCT" in bundle.reads:
            # Volumes of pictures are folders.
            alone = folder / path.stem
            alone.mkdir()
            path = Path(shutil.move(path, alone / path.name)).parent
        results = self.library.predictor(bundle)(path, output_dir=folder / "results")
        shown = Shown(secrets.token_urlsafe(24), folder, bundle, Reading(path, results), phantom)
        pack(results, folder / f"{shown.reading.name}.zip")
        self.shown[session] = shown
        return shown

    def _folder(self, session: str) -> Path:
        self.leave(session)
        return Path(tempfile.mkdtemp(dir=self.root))


def cut(drawn: Path, part: Any, copy: Path) -> Path:
    """A part (left, top, right, bottom as shares) of a picture as ``copy``; without one the picture itself."""
    if part is None:
        return drawn
    with Image.open(drawn) as picture:
        edges = [share * length for share, length in zip(part, picture.size * 2, strict=True)]
        picture.crop((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3]))).save(copy)
    return copy


def pack(results: Path, target: Path) -> Path:
    """All files of a folder as one zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in results.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(results).as_posix())
    return target
