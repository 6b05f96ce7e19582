"""Transforms that MONAI lacks: photographs on and off the network's canvas, B-scans of volumes, colours, patches."""

from shared.transforms.activations import MultiTaskActivationsd
from shared.transforms.affine import RandIsotropicAffined
from shared.transforms.box import AnchorBoxd, BoxToPixelsd, MoveBoxd
from shared.transforms.bscan import LoadBScand
from shared.transforms.class_probabilities import ClassProbabilitiesd
from shared.transforms.crop import RandLesionCropd
from shared.transforms.enhance import EnhanceContrastd
from shared.transforms.load import LoadMasksd, LoadPhotographd
from shared.transforms.masked import ForMasksOnlyd
from shared.transforms.photometric import RandPhotometricd
from shared.transforms.restore import RestorePhotographd, RestoreStretchedd
from shared.transforms.store import StoreUpToHere

__all__ = [
    "AnchorBoxd",
    "BoxToPixelsd",
    "ClassProbabilitiesd",
    "EnhanceContrastd",
    "ForMasksOnlyd",
    "LoadBScand",
    "LoadMasksd",
    "LoadPhotographd",
    "MoveBoxd",
    "MultiTaskActivationsd",
    "RandIsotropicAffined",
    "RandLesionCropd",
    "RandPhotometricd",
    "RestorePhotographd",
    "RestoreStretchedd",
    "StoreUpToHere",
]
