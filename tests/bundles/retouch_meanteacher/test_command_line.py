"""The command line as users type it: the cause of an error is the last thing printed."""

import pytest

from tests.support.bundle import command, run_command

NAME = "retouch_meanteacher"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"epochs": "5"}, "--epochs: did you mean --max_epochs?"),
        ({"dataset_dir": "no/such/folder"}, "RETOUCH-TrainingSet-{Cirrus,Spectralis,Topcon}"),
        ({"labelled_fraction": "0.01"}, "--labelled_fraction"),
    ],
    ids=["key", "dataset", "fraction"],
)
def test_the_cause_is_the_last_thing_printed(tiny, home, keys, text):
    given = {key: str(value) for key, value in (tiny | keys).items()}
    done = run_command(command("training", NAME, "train", **given), home=home)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-12:]
    assert text in "\n".join(last)
    assert "Failed to" not in "\n".join(last[-3:])
    assert "Traceback" not in done.stderr
