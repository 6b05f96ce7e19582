"""Losses on class maps, assembled from MONAI's.

Dimensions: B batch, K classes, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.losses import (
    AsymmetricUnifiedFocalLoss,
    BoundaryLoss,
    DiceLoss,
    FocalLoss,
    HausdorffDTLoss,
    TverskyLoss,
)
from monai.networks.utils import one_hot
from torch import Tensor, nn
from torch.nn import functional

from shared.choices import check_choice
from shared.errors import ConfigError
from shared.ranks import whole_batch

DICE, FOCAL, CROSS_ENTROPY, TVERSKY = "dice", "focal", "cross_entropy", "tversky"
UNIFIED_FOCAL, HAUSDORFF, BOUNDARY = "unified_focal", "hausdorff", "boundary"
LOSSES: dict[str, tuple[str, ...]] = {
    "dice": (DICE,),
    "focal": (FOCAL,),
    "cross_entropy": (CROSS_ENTROPY,),
    "dice_focal": (DICE, FOCAL),
    "dice_cross_entropy": (DICE, CROSS_ENTROPY),
    "tversky": (TVERSKY,),
    "unified_focal": (UNIFIED_FOCAL,),
    "hausdorff": (HAUSDORFF,),
    "boundary": (BOUNDARY,),
    "dice_hausdorff": (DICE, HAUSDORFF),
    "dice_boundary": (DICE, BOUNDARY),
}
# Of the unified focal loss, as its paper chose them.
FOCUS, MISSES = 0.5, 0.6


class SegmentationLoss(nn.Module):
    """Sum of softmax losses on logits, chosen by one word: a key of `LOSSES`.

    - Dice: ``1 - 2 sum(p t) / sum(p + t)`` of each image (or the batch) and class, weighted by class, mean; soft labels
      after Wang et al. 2023, with which a prediction that equals them costs nothing.
    - focal: mean over images, classes and pixels of ``-(1 - p_t)^gamma log p_t`` of the *softmax* (MONAI's
      `DiceFocalLoss(softmax=True)` keeps a sigmoid there), weighted by class. As in MONAI, the mean counts K values
      for each pixel. The factor is part of the gradient.
    - cross entropy: weighted by class, mean over pixels (soft labels: over pixels too).
    - Tversky (Salehi et al. 2017): ``1 - TP / (TP + alpha FP + beta FN)``, summed and weighted as Dice.
    - unified focal (Yeung et al. 2022): half asymmetric focal cross entropy, half asymmetric focal Tversky loss; two
      classes only.
    - hausdorff (Karimi et al. 2019): mean of ``(p - t)^2 (d_p^2 + d_t^2)``, distances in pixels to the borders of
      prediction and truth; boundary (Kervadec et al. 2019): mean of p times the signed distance to the truth's border,
      negative inside, so that the loss may be below 0. Both weighted by class; distances are constants to the gradient.

    Args:
        name: the loss.
        num_classes: K, background first.
        class_weights: one for each class, 0 or more ("weighted Dice"); default 1.
        include_background: whether Dice, Tversky, hausdorff and boundary count the background as a class. Focal and
            cross entropy always do, as nothing else would punish false alarms.
        gamma: of focal, 0 or more.
        dice_weight, pixel_weight: of the Dice term and of any other term.
        batch_dice: sum over the batch before dividing (Dice, Tversky): with few images, an absent class costs less.
            Where the loss of several ranks' batch is no mean of theirs (so here, and with `class_weights`), every rank
            computes that of the whole.
        alpha, beta: of Tversky, the price of false alarms and of misses, not both 0.

    Raises:
        ConfigError: for an unknown name, weights that do not fit, or other numbers below 0.
    """

    def __init__(
        self,
        *,
        name: str = "dice_focal",
        num_classes: int = 4,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        gamma: float = 2.0,
        dice_weight: float = 1.0,
        pixel_weight: float = 1.0,
        batch_dice: bool = False,
        alpha: float = 0.3,
        beta: float = 0.7,
    ) -> None:
        super().__init__()
        check_choice("loss_name", name, LOSSES)
        weights = [1.0] * num_classes if class_weights is None else [float(weight) for weight in class_weights]
        if len(weights) != num_classes or min(weights) < 0 or not sum(weights):
            raise ConfigError(
                f"class_weights are {class_weights}",
                expected=f"{num_classes} numbers of 0 or more (num_classes, background first), not all 0",
                fix="correct `class_weights`",
            )
        if name == UNIFIED_FOCAL and (num_classes != 2 or len(set(weights)) > 1):
            raise ConfigError(
                f"unified_focal with {num_classes} classes and class_weights {class_weights}",
                expected="two classes (background and one more), weighted by the loss itself",
                fix="choose another loss, or two classes and no `class_weights`",
            )
        _check_numbers(gamma=gamma, dice_weight=dice_weight, pixel_weight=pixel_weight, alpha=alpha, beta=beta)
        self.name, self.num_classes, self.parts = name, num_classes, LOSSES[name]
        self.gamma, self.pixel_weight = gamma, pixel_weight
        # MONAI leaves the weight of a single class out.
        single = weights[1] if num_classes == 2 and not include_background else 1.0
        self.dice_weight = dice_weight * single
        first = int(not include_background)
        dice: dict[str, Any] = {"softmax": True, "include_background": include_background, "batch": batch_dice}
        counted = weights[first:]
        self.dice = DiceLoss(**dice, weight=counted)
        self.soft_dice = DiceLoss(**dice, weight=counted, soft_label=True)
        self.focal = FocalLoss(use_softmax=True, gamma=gamma, weight=weights)
        by_class: dict[str, Any] = {"include_background": include_background, "softmax": True, "reduction": "none"}
        tversky = by_class | {"alpha": alpha, "beta": beta, "batch": batch_dice}
        self.tversky, self.soft_tversky = TverskyLoss(**tversky), TverskyLoss(**tversky, soft_label=True)
        self.unified_focal = AsymmetricUnifiedFocalLoss(gamma=FOCUS, delta=MISSES)
        self.distances = {HAUSDORFF: HausdorffDTLoss(**by_class), BOUNDARY: BoundaryLoss(**by_class)}
        self.is_mean_over_images = not batch_dice and len(set(weights)) == 1
        self.weights_K: Tensor
        self.counted_K: Tensor
        self.register_buffer("weights_K", torch.tensor(weights), persistent=False)
        self.register_buffer("counted_K", torch.tensor(counted), persistent=False)

    def forward(self, logits_BKHW: Tensor, label: Tensor) -> Tensor:
        """Loss, 0-d.

        Args:
            logits_BKHW: any real.
            label: class indices [B,1,H,W], or class probabilities [B,K,H,W].
        """
        if not self.is_mean_over_images:
            logits_BKHW, label = whole_batch(logits_BKHW), whole_batch(label)
        soft = label.shape[1] == self.num_classes
        label_BKHW = label.float() if soft else one_hot(label, num_classes=self.num_classes, dtype=torch.float32)
        return torch.stack([self._term(part, logits_BKHW, label_BKHW, soft=soft) for part in self.parts]).sum()

    def _term(self, part: str, logits_BKHW: Tensor, label_BKHW: Tensor, *, soft: bool) -> Tensor:
        if part == DICE:
            return self.dice_weight * (self.soft_dice if soft else self.dice)(logits_BKHW, label_BKHW)
        if part == FOCAL:
            term = self.focal(logits_BKHW, label_BKHW)
        elif part == CROSS_ENTROPY:
            target = label_BKHW if soft else label_BKHW.argmax(1)
            term = functional.cross_entropy(logits_BKHW, target, weight=self.weights_K)
        elif part == TVERSKY:
            # By class [B,K], or [K] over the batch.
            losses = (self.soft_tversky if soft else self.tversky)(logits_BKHW, label_BKHW)
            term = (losses * self.counted_K).mean()
        elif part == UNIFIED_FOCAL:
            # In half precision MONAI's 1 - 1e-7 is 1: a sure and right prediction has an index of 1, its root no slope.
            term = self.unified_focal(logits_BKHW.float().softmax(1), label_BKHW)
        else:
            losses = self.distances[part](logits_BKHW, label_BKHW)
            term = (losses.flatten(1) * self.counted_K).mean()
        return self.pixel_weight * term


def _check_numbers(*, alpha: float, beta: float, **others: float) -> None:
    for key, value in {**others, "alpha": alpha, "beta": beta}.items():
        if isinstance(value, (bool, str)) or not 0 <= value < float("inf"):
            raise ConfigError(f"{key} is {value!r}", expected="a number of 0 or more", fix=f"correct `{key}`")
    if not alpha + beta:
        raise ConfigError(
            "alpha and beta of Tversky are both 0",
            expected="a price of false alarms or of misses: without, any prediction costs nothing",
            fix="correct `alpha` or `beta`",
        )
