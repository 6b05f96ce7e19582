"""Transforms that MONAI lacks: fundus photographs on and off the network's canvas, colours, lesion patches."""

from shared.transforms.activations import MultiTaskActivationsd
from shared.transforms.crop import RandLesionCropd
from shared.transforms.enhance import EnhanceContrastd
from shared.transforms.load import LoadMasksd, LoadPhotographd
from shared.transforms.masked import ForMasksOnlyd
from shared.transforms.photometric import RandPhotometricd
from shared.transforms.restore import RestorePhotographd

__all__ = [
    "EnhanceContrastd",
    "ForMasksOnlyd",
    "LoadMasksd",
    "LoadPhotographd",
    "MultiTaskActivationsd",
    "RandLesionCropd",
    "RandPhotometricd",
    "RestorePhotographd",
]
