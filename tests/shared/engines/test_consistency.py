"""Methods by one word, with their published weights and errors that name the nearest word."""

from __future__ import annotations

import math

import pytest
import torch

from shared.engines.consistency import METHODS, make_method
from shared.engines.consistency.base import pseudo_label_loss
from shared.engines.consistency.mixmatch import MixMatch, sharpen
from shared.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "weight"),
    [("mean_teacher", 10), ("fixmatch", 1), ("unimatch", 1), ("cross_pseudo", 1), ("mixmatch", 10), ("supervised", 0)],
)
def test_weights_by_default_and_as_given(name: str, weight: float) -> None:
    assert make_method(name, num_classes=4).weight(5) == weight
    assert make_method(name, num_classes=4, consistency_weight=None).weight(100) == weight
    assert make_method(name, num_classes=4, consistency_weight=3, rampup_epochs=0).weight(0) == 3


def test_published_schedule_of_the_mean_teacher() -> None:
    method = make_method("mean_teacher", num_classes=4)
    assert method.weight(0) == pytest.approx(10 * math.exp(-5))
    assert method.weight(2) == pytest.approx(10 * math.exp(-5 * 0.36))
    assert [method.decay(step, epoch) for step, epoch in ((0, 0.0), (1, 0.1), (500, 4.9), (500, 5.0))] == [
        0,
        0.5,
        0.99,
        0.999,
    ]


def test_without_a_ramp_the_decay_is_the_final_one() -> None:
    assert make_method("fixmatch", num_classes=2, rampup_epochs=0, ema_decay=0.9).decay(0, 0.0) == 0.9


def test_every_word_has_one_method() -> None:
    assert len({type(make_method(name, num_classes=2)) for name in METHODS}) == len(METHODS) == 6


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mean_techer", {}, r"method is 'mean_techer'[\s\S]*did you mean 'mean_teacher'"),
        ("nothing", {}, r"one of mean_teacher, fixmatch"),
        ("fixmatch", {"treshold": 0.5}, r"fixmatch has no setting 'treshold'[\s\S]*did you mean 'threshold'"),
        ("supervised", {"threshold": 0.5}, r"supervised has no setting 'threshold'"),
        ("fixmatch", {"pseudo_labels": "peer"}, r"one of student, teacher"),
        ("fixmatch", {"threshold": 2}, r"numbers in 0\.\.1"),
        ("mean_teacher", {"consistency_weight": -1}, r"a weight and a ramp of 0 or more"),
        ("mean_teacher", {"ema_decay": 1.5}, r"a decay in 0\.\.1"),
    ],
)
def test_bad_settings(name: str, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_method(name, num_classes=4, **settings)


def test_pseudo_labels_by_hand() -> None:
    """Two pixels: one sure (.9 of class 1), one not (.6); only the sure one counts, over both."""
    target = torch.tensor([[0.1, 0.6], [0.9, 0.4]]).view(1, 2, 1, 2)
    logits = torch.tensor([[0.0, 5.0], [math.log(3), 0.0]]).view(1, 2, 1, 2)
    expected = -math.log(3 / 4) / 2
    assert float(pseudo_label_loss(logits, target, threshold=0.8)) == pytest.approx(expected)
    assert float(pseudo_label_loss(logits, target, threshold=0.95)) == 0
    both = expected + -math.log(math.exp(5) / (math.exp(5) + 1)) / 2
    assert float(pseudo_label_loss(logits, target)) == pytest.approx(both)


def test_sharpening_by_hand() -> None:
    found = sharpen(torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1, 1), 0.5).flatten()
    torch.testing.assert_close(found, torch.tensor([0.36, 0.09, 0.01]) / 0.46)


def test_mixing_keeps_at_least_half_of_the_image() -> None:
    torch.manual_seed(0)
    shares = MixMatch(num_classes=2).draw_share(500, torch.device("cpu"))
    assert 0.5 <= float(shares.min()) < 0.6
    assert 0.95 < float(shares.max()) <= 1


def test_fixmatch_with_the_teachers_labels_asks_the_teacher() -> None:
    from shared.engines.consistency import ScanBatch

    asked: list[tuple[str, int]] = []

    class Network:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, *views: torch.Tensor, perturbed: int | None = None) -> list[torch.Tensor]:
            asked.append((self.name, len(views)))
            return [view.repeat(1, 2, 1, 1) for view in views]

    batch = ScanBatch(torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), torch.rand(2, 1, 8, 8))
    for source, expected in (("teacher", [("teacher", 1), ("student", 2)]), ("student", [("student", 3)])):
        method = make_method("fixmatch", num_classes=2, pseudo_labels=source)
        method.predict(batch, student=Network("student"), teacher=Network("teacher"))
        assert asked == expected
        asked.clear()
