"""Networks for several tasks: mixture of experts, and the baselines it is compared with."""

from shared.networks.baselines import DeepLabV3Plus, ResNetClassifier
from shared.networks.multitask import MultiTaskNetwork, parameter_groups

__all__ = ["DeepLabV3Plus", "MultiTaskNetwork", "ResNetClassifier", "parameter_groups"]
