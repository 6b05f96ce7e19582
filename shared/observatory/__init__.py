"""The loss observatory: what a loss asks of one pixel, where it is paid in an image, and its surface over weights."""

from shared.observatory.choice import is_pixelwise, make_loss, make_losses
from shared.observatory.directions import random_plane
from shared.observatory.grid import compute_surface
from shared.observatory.logit_curve import LogitCurve, Scene, logit_curve
from shared.observatory.pixel_map import PixelMap, pixel_map
from shared.observatory.plane import Plane, trained_weights
from shared.observatory.run import Run, open_run
from shared.observatory.snapshots import SnapshotSaver
from shared.observatory.surface import Surface, load_surface, save_surface
from shared.observatory.trajectory import Trajectory, principal_plane, project

__all__ = [
    "LogitCurve",
    "PixelMap",
    "Plane",
    "Run",
    "Scene",
    "SnapshotSaver",
    "Surface",
    "Trajectory",
    "compute_surface",
    "is_pixelwise",
    "load_surface",
    "logit_curve",
    "make_loss",
    "make_losses",
    "open_run",
    "pixel_map",
    "principal_plane",
    "project",
    "random_plane",
    "save_surface",
    "trained_weights",
]
