"""Pictures of an evaluation on discs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scripts.report.rows import classes_of, comparisons
from scripts.report.scored import MODEL
from shared.draw.panels import draw_comparison
from shared.draw.volumes import draw_score_boxes, draw_volume_agreement
from shared.report.files import safe_name

if TYPE_CHECKING:
    from scripts.report.handler import DiscReport

Floats = NDArray[np.float64]
MEASURED = {"diameter (pixels)": "diameter_px", "vertical cup-to-disc ratio": "vertical_cup_to_disc"}


def draw_discs(report: DiscReport) -> None:
    """Dice by data set, found against true diameter and ratio, and photographs from the worst to the best."""
    folder, phantom = report.output_dir / "figures", all(item.phantom for item in report.scored)
    dices: dict[str, dict[str, dict[str, Floats]]] = {}
    for task in classes_of(report.rows):
        for item in report.scored:
            by_comparison = dices.setdefault(task, {}).setdefault(item.data_set, {})
            for name in comparisons([item]):
                value = item.values[name].get((task, "dice"), np.nan)
                by_comparison[name] = np.append(by_comparison.get(name, np.zeros(0)), value)
    draw_score_boxes(dices, folder / "dice.png", title=f"Dice of photographs, split {report.split!r}", phantom=phantom)
    pairs: dict[str, dict[str, tuple[Floats, Floats]]] = {}
    for title, key in MEASURED.items():
        for name in dict.fromkeys(item.data_set for item in report.scored):
            facts = [item.facts for item in report.scored if item.data_set == name]
            both = [(fact[f"true_{key}"], fact[f"found_{key}"]) for fact in facts if f"true_{key}" in fact]
            known = [pair for pair in both if None not in pair and not np.isnan(pair).any()]
            if known:
                true_N, found_N = np.array(known, np.float64).T
                pairs.setdefault(title, {})[name] = true_N, found_N
    if pairs:
        draw_volume_agreement(
            pairs, folder / "size.png", unit="", title="Disc and cup, found against true", phantom=phantom
        )
    _draw_photographs(report)


def _draw_photographs(report: DiscReport) -> None:
    folder = report.output_dir / "figures"
    for stale in folder.glob("compare_*.png"):
        stale.unlink()
    ranked = sorted((item for item in report.scored if item.comparison is not None), key=lambda item: item.mean_dice)
    chosen = np.unique(np.linspace(0, len(ranked) - 1, min(report.pictures, len(ranked))).round().astype(int))
    for rank in chosen:
        item = ranked[rank]
        assert item.comparison is not None
        scores = {
            task: f"Dice {value:.3f}" for (task, measure), value in item.values[MODEL].items() if measure == "dice"
        }
        caption = f"(rank {len(ranked) - rank} of {len(ranked)} by mean Dice)"
        draw_comparison(
            item.comparison._replace(caption=caption),
            folder / f"compare_{safe_name(item.name)}.png",
            scores=scores,
            zoom=False,
            phantom=item.phantom,
        )
