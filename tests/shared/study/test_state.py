"""What is known of a run from its folder."""

import pytest

from shared.study.plan import Study
from shared.study.state import FINISHED, STARTED, RunFolder
from tests.support.study import write_study


@pytest.fixture
def place(toys):
    return RunFolder(toys / "out", Study(write_study(toys)).runs[0])


def test_stages_follow_each_other(place):
    training, evaluation = place.run.stages
    assert place.next_stage() == training
    place.write_state(training, STARTED)
    assert place.next_stage() == training
    place.write_state(training, FINISHED)
    assert place.next_stage() == evaluation
    place.write_state(evaluation, FINISHED)
    assert place.next_stage() is None
    place.write_state(training._replace(digest="other"), FINISHED)
    assert place.next_stage() == training


def test_a_damaged_state_counts_as_not_begun(place):
    training = place.run.stages[0]
    place.write_state(training, FINISHED)
    (place.path / "study_training.json").write_text('{"digest"')
    assert place.next_stage() == training


def test_weights_of_unknown_origin_are_moved_aside_and_kept(place):
    training = place.run.stages[0]
    place.path.mkdir(parents=True)
    (place.path / "checkpoint.pt").write_text("someone's")
    moved = place.move_outdated(training)
    assert (moved / "checkpoint.pt").read_text() == "someone's"
    assert place.move_outdated(training) is None
    place.path.mkdir()
    (place.path / "checkpoint.pt").write_text("again")
    assert place.move_outdated(training) != moved
    assert (moved / "checkpoint.pt").read_text() == "someone's"


def test_the_reason_is_that_of_the_last_attempt(place):
    assert place.last_words("training") == "nothing was printed"
    place.begin_log("training")
    with place.log_file("training").open("a") as log:
        log.write("DataError: the first\n  expected: x\n  what to do: y\n")
    assert place.last_words("training") == "DataError: the first"
    place.begin_log("training")
    assert place.last_words("training") == "nothing was printed"
    with place.log_file("training").open("a") as log:
        log.write("epoch 1\nepoch 2\n\n")
    assert place.last_words("training") == "epoch 2"
