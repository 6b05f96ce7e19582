"""Places lesions one after the other where there is room, and keeps what was drawn."""

from __future__ import annotations

import numpy as np

from scripts.phantoms.frame import Anatomy, Bools, Frame

LESIONS = ("MA", "HE", "EX", "SE")


class LesionSheet:
    """Opacity and mask of every kind of lesion for one photograph.

    Args:
        forbidden_HW: where no lesion may lie.
    """

    def __init__(self, rng: np.random.Generator, eye: Anatomy, frame: Frame, forbidden_HW: Bools) -> None:
        self.rng, self.eye, self.frame = rng, eye, frame
        self.forbidden_HW, self.taken_HW = forbidden_HW, forbidden_HW.copy()
        shape = (frame.height, frame.width)
        self.opacities = {kind: np.zeros(shape, np.float32) for kind in LESIONS}
        self.masks = {kind: np.zeros(shape, bool) for kind in LESIONS}

    def place(
        self,
        kind: str,
        full_y: float,
        full_x: float,
        *,
        radius: float,
        softness: float,
        strength: float = 1.0,
        stretch: float = 1.0,
        angle: float = 0.0,
        wobble: float = 0.2,
        may_touch: bool = False,
    ) -> bool:
        """Draws one blob unless it would overlap something; returns whether it was drawn.

        Args:
            radius: full-size pixels. softness: width of its edge, full-size pixels. stretch: length over breadth.
            wobble: how irregular its outline is. may_touch: it may lie on lesions of its own kind.
        """
        rng, frame = self.rng, self.frame
        size = max(1.0, radius * frame.scale)
        edge = max(0.7, softness * frame.scale)
        orders_K = np.arange(3, 11)
        waves_K = rng.normal(0, wobble, orders_K.size) * (3 / orders_K) ** 0.9
        phases_K = rng.uniform(0, 2 * np.pi, orders_K.size)
        if size < 2:
            waves_K, stretch = waves_K * 0, 1.0
        y, x = frame.pixel(full_y, full_x)
        y, x = (round(y), round(x)) if size < 2 else (y, x)
        reach = int(np.ceil(1.7 * size * np.sqrt(stretch) + edge + 2))
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        bottom, right = min(frame.height, int(y) + reach + 1), min(frame.width, int(x) + reach + 1)
        if bottom - top < 3 or right - left < 3:
            return False
        dy = np.arange(top, bottom)[:, None] - y
        dx = np.arange(left, right)[None, :] - x
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / np.sqrt(stretch)
        across = (dy * np.cos(angle) - dx * np.sin(angle)) * np.sqrt(stretch)
        distance, turn = np.hypot(along, across), np.arctan2(across, along)
        rim = np.full_like(distance, size)
        for order, wave, phase in zip(orders_K, waves_K, phases_K, strict=True):
            rim += size * wave * np.cos(order * turn + phase)
        rim = np.clip(rim, 0.45 * size, 1.6 * size)
        opacity = np.clip(0.5 + (rim - distance) / edge, 0, 1).astype(np.float32)
        drawn = opacity >= 0.5
        window = (slice(top, bottom), slice(left, right))
        blocked = self.taken_HW[window]
        if may_touch:
            blocked = (blocked & ~_grown(self.masks[kind][window])) | self.forbidden_HW[window]
        if not drawn.any() or (blocked & drawn).any():
            return False
        np.maximum(self.opacities[kind][window], opacity * strength, out=self.opacities[kind][window])
        self.masks[kind][window] |= drawn
        self.taken_HW[window] |= _grown(drawn)
        return True

    def anywhere(self, *, inner: float = 0.0, outer: float = 0.93) -> tuple[float, float]:
        """A random place (y, x) in the view whose distance from the fovea is at least ``inner`` disc diameters."""
        while True:
            radius = self.eye.view_radius * outer * np.sqrt(self.rng.uniform())
            turn = self.rng.uniform(0, 2 * np.pi)
            y, x = self.eye.view_y + radius * np.sin(turn), self.eye.view_x + radius * np.cos(turn)
            if 40 < y < 2808 and self.from_fovea(y, x) >= inner:
                return y, x

    def from_fovea(self, y: float, x: float) -> float:
        """Distance from the fovea in disc diameters."""
        return float(np.hypot(y - self.eye.fovea_y, x - self.eye.fovea_x) / self.eye.disc_diameter)

    def lognormal(self, median: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(median * np.exp(self.rng.normal(0, spread)), low, high))


def _grown(mask: Bools) -> Bools:
    """The mask and a margin of two pixels."""
    grown = mask.copy()
    for _ in range(2):
        larger = grown.copy()
        larger[1:] |= grown[:-1]
        larger[:-1] |= grown[1:]
        larger[:, 1:] |= grown[:, :-1]
        larger[:, :-1] |= grown[:, 1:]
        grown = larger
    return grown
