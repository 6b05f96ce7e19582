"""Networks: mixture of experts for several tasks and its baselines; U-Nets for class maps, teachers, ensembles."""

from shared.networks.baselines import DeepLabV3Plus, ResNetClassifier
from shared.networks.classic_unet import ClassicUNet, PaddedUNet
from shared.networks.disc_unet import make_disc_unet
from shared.networks.ensemble import Ensemble
from shared.networks.hard_sharing_unet import HardSharingUNet
from shared.networks.members import unet_members
from shared.networks.multitask import MultiTaskNetwork, parameter_groups
from shared.networks.sharing import SharingNetwork, make_sharing_network
from shared.networks.side_by_side import SideBySide
from shared.networks.student_teacher import StudentTeacher, deployed, make_peer, make_teacher
from shared.networks.unet import SegmentationUNet
from shared.networks.with_teacher import WithTeacher

__all__ = [
    "ClassicUNet",
    "DeepLabV3Plus",
    "Ensemble",
    "HardSharingUNet",
    "MultiTaskNetwork",
    "PaddedUNet",
    "ResNetClassifier",
    "SegmentationUNet",
    "SharingNetwork",
    "SideBySide",
    "StudentTeacher",
    "WithTeacher",
    "deployed",
    "make_disc_unet",
    "make_peer",
    "make_sharing_network",
    "make_teacher",
    "parameter_groups",
    "unet_members",
]
