"""What all drawn data sets share: a folder by parameters, one builder at a time, several drawing processes."""

from shared.phantoms.folder import build_folder, ensure_folder, folder_of, is_phantom, phantom_facts
from shared.phantoms.lock import only_one
from shared.phantoms.source import PHANTOMS, dataset_folder
from shared.phantoms.workers import draw_shares, serve

__all__ = [
    "PHANTOMS",
    "build_folder",
    "dataset_folder",
    "draw_shares",
    "ensure_folder",
    "folder_of",
    "is_phantom",
    "only_one",
    "phantom_facts",
    "serve",
]
