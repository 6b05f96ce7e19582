"""What inference reads: the given photographs, or phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.entry import Entry
from scripts.masks import view_size
from scripts.phantoms import ensure_phantoms
from scripts.sources import AUTO, SOURCES, choose_source
from shared.data.field_of_view import WORK_WIDTH
from shared.data.listing import Listing, find_photographs
from shared.data.photograph import read_photograph
from shared.dicom.files import eye_of
from shared.errors import DataError
from shared.phantoms import dataset_folder
from shared.progress import progress_bar


def photographs(
    dataset_dir: str,
    *,
    workspace: str,
    phantoms: Mapping[str, Any],
    source: str = AUTO,
    stereo: bool | None = None,
) -> Listing:
    """Photographs to infer: items with ``image``, ``name``, ``stereo`` and ``laterality`` ("left", "right" or "").

    Of a data set whose layout is known, all photographs, with masks or without; of any other folder every picture that
    is a fundus photograph (`shared.data.find_photographs`). Masks are never read.

    Args:
        dataset_dir: a photograph, a data set, any folder, or the word "phantoms".
        source: of `scripts.sources.SOURCES`, or "auto": by the layout.
        stereo: whether pictures are stereo photographs, of which the left view is read; None: as the layout says, which
            of a single file or a folder of no known layout is: no.

    Raises:
        ConfigError: an unknown source.
        DataError: nothing to infer.
    """
    root = Path(dataset_folder(dataset_dir, workspace=workspace, phantoms=phantoms, ensure_phantoms=ensure_phantoms))
    entries = _of_data_set(root, source)
    if not entries:
        listing = find_photographs(root)
        named = {str(item["image"]): str(item["name"]) for item in listing.items}
        entries = [Entry(name, Path(path), {}, "", name, eye_of(path)) for path, name in named.items()]
        refused = listing.refused
    else:
        refused = []
    items: list[dict[str, Any]] = []
    for entry in progress_bar(entries, desc="looking at photographs", unit="photo", disable=len(entries) < 50):
        both = entry.stereo if stereo is None else stereo
        try:
            read_photograph(entry.image, at_least=(1, WORK_WIDTH))
            view_size(entry.image, stereo=both)
        except DataError as error:
            refused.append((str(entry.image), error.received))
            continue
        about = {"stereo": both, "laterality": entry.laterality}
        items.append({"image": str(entry.image), "name": entry.name} | about)
    if not items:
        raise DataError(
            f"{root}: none of {len(refused)} photographs can be read: {refused[0][1]}",
            expected="photographs of the optic disc",
            fix="give other photographs with --dataset_dir, or say with --stereo False that they are no stereo pairs",
        )
    return Listing(items, refused)


def _of_data_set(root: Path, source: str) -> list[Entry]:
    """Photographs of a layout that is known; none of any other folder or of a file."""
    if not root.is_dir():
        return []
    if source == AUTO and not any(known.recognises(root) for known in SOURCES.values()):
        return []
    found = SOURCES[choose_source(root, source=source)].find(root)
    return sorted([*found.entries, *found.unmasked], key=lambda entry: entry.name)
