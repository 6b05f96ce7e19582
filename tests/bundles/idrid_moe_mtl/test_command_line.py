"""The command line as users type it: the last line of an error, Ctrl-C, and `kill -9`."""

import json
import os
import signal
import subprocess
import time

import pytest

from tests.support.bundle import REPOSITORY, command, run_command

NAME = "idrid_moe_mtl"


def last_lines(done, count=3):
    return "\n".join(done.stderr.strip().splitlines()[-count:])


def short(tiny, **more):
    keep = {key: value for key, value in tiny.items() if key not in ("output_dir",)}
    return {key: str(value) for key, value in (keep | more).items()}


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"epochs": "5"}, "--epochs: did you mean --max_epochs?"),
        ({"image_size": "64"}, "for example --image_size [736,880]"),
        ({"dataset_dir": "no/such/folder"}, "A. Segmentation"),
        ({"backbone": "resnet51"}, "resnet50"),
        ({"pretrained": "imagnet"}, "--pretrained imagenet"),
        ({"pretrained": "no/such/file.pth"}, "--pretrained scratch"),
    ],
    ids=["key", "type", "dataset", "backbone", "pretrained", "weights file"],
)
def test_the_cause_is_the_last_thing_printed(tiny, home, keys, text):
    done = run_command(command("training", NAME, "train", **short(tiny, **keys)), home=home)
    assert done.returncode == 1
    assert text in last_lines(done, 12)
    assert "Failed to" not in last_lines(done, 3)


def test_an_error_in_a_worker_is_the_last_thing_printed(tiny, home):
    """A photograph that vanished after the data list was made."""
    gone = "$[dict(item, image='/gone/eye.jpg') for item in @datalist['training']]"
    keys = short(tiny, num_workers="1") | {"train#dataset#data": gone}
    done = run_command(command("training", NAME, "train", **keys), home=home)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("  what to do: ")
    assert lines[-3].startswith("DataError: ")
    assert "/gone/eye.jpg" in lines[-3]
    assert "Traceback" not in done.stderr


def test_ctrl_c_before_training_is_one_word(tiny, home):
    process = start(command("training", NAME, "train", **short(tiny)), home)
    for line in process.stdout:
        if "run folder" in line:
            process.send_signal(signal.SIGINT)
            break
    output = process.communicate(timeout=120)[0]
    assert process.returncode in (130, -signal.SIGINT)
    assert output.strip().splitlines()[-1] == "interrupted"
    assert "Traceback" not in output


def start(arguments, home):
    """A process that takes Ctrl-C as in a terminal; a shell starts background jobs, and so these tests, ignoring it."""
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home), "OMP_NUM_THREADS": "1"}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            arguments, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(condition, process, seconds=200):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"nothing happened; output: {process.communicate()[0][-3000:]}")


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_run_that_was_ended_in_an_epoch_continues_to_the_same_curve(tiny, home, tmp_path, number):
    keys = short(tiny, max_epochs="3", batches_per_epoch="12")
    whole = run_command(command("training", NAME, "train", **keys, output_dir=str(tmp_path / "whole")), home=home)
    assert whole.returncode == 0, whole.stdout[-2000:] + whole.stderr[-2000:]
    folder = tmp_path / "parts"
    arguments = command("training", NAME, "train", **keys, output_dir=str(folder))
    process = start(arguments, home)
    wait_for(lambda: (folder / "checkpoint.pt").is_file(), process)
    time.sleep(0.3)  # into the second epoch
    process.send_signal(number)
    output = process.communicate(timeout=120)[0]
    if number == signal.SIGINT:
        assert process.returncode == 0, output[-2000:]
        assert f"--output_dir {folder}" in output
    rows = json.loads((folder / "history.json").read_text())
    assert 1 <= len(rows) < 3
    rest = run_command(arguments, home=home)
    assert rest.returncode == 0, rest.stdout[-2000:] + rest.stderr[-2000:]
    assert "continuing from" in rest.stdout
    expected = json.loads((tmp_path / "whole" / "history.json").read_text())
    assert json.loads((folder / "history.json").read_text()) == expected
