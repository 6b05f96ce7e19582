"""The record of a run."""

import pytest

from shared.engines import History


def test_terms_are_averaged_over_the_iterations_that_have_them():
    history = History()
    history.add_terms({"total": 3.0, "MA": 1.0})
    history.add_terms({"total": 1.0})
    row = history.end_epoch(1, learning_rate=0.1, metrics={"score": 0.5, "kappa": float("nan")})
    assert row == {"epoch": 1, "learning_rate": 0.1, "loss": 2.0, "loss_MA": 1.0, "score": 0.5}
    assert list(row)[2] == "loss"


def test_best_is_the_earliest_of_the_largest():
    history = History()
    assert history.best is None
    for epoch, score in enumerate([0.2, 0.6, 0.6, 0.1], start=1):
        history.end_epoch(epoch, learning_rate=0, metrics={"score": score} if epoch != 4 else {})
    assert history.best["epoch"] == 2


def test_a_repeated_epoch_replaces_its_row():
    history = History()
    for epoch in (1, 2, 3, 2):
        history.end_epoch(epoch, learning_rate=epoch, metrics={})
    assert [row["epoch"] for row in history.rows] == [1, 2]


def test_state_survives_in_the_middle_of_an_epoch():
    history = History()
    history.end_epoch(1, learning_rate=1.0, metrics={"score": 0.25})
    history.add_terms({"total": 4.0})
    other = History()
    other.load_state_dict(history.state_dict())
    for each in (history, other):
        each.add_terms({"total": 2.0})
    assert other.end_epoch(2, learning_rate=0.5, metrics={}) == history.end_epoch(2, learning_rate=0.5, metrics={})
    assert other.rows == history.rows
    assert other.rows[1]["loss"] == pytest.approx(3.0)
