"""A worker's files: outputs appear whole, failures are entries, and a file that ends the process is given up.

The predictor is replaced by a function here, so that it can fail as wanted; real ones: `tests/e2e/test_folder.py`.
"""

import json

import pytest

from shared.errors import DataError
from shared.folder.journal import FAILED, READ, STARTED, Journal
from shared.folder.plan import Shard
from shared.folder.worker import Worker

SHARD = Shard(0, ("in/good.jpg", "in/bad.jpg", "worse.jpg"))


class Killed(BaseException):
    """What no code catches, as little as a signal."""


@pytest.fixture
def worker(tmp_path):
    calls = []

    def predict(path, *, output_dir):
        calls.append(path.name)
        (output_dir / "json").mkdir(parents=True)
        (output_dir / "json" / f"{path.stem}.json").write_text("{}")
        if path.name == "bad.jpg":
            raise DataError("bad.jpg is\nno picture", expected="x", fix="y")
        if path.name == "worse.jpg":
            raise MemoryError
        (output_dir / "run.json").write_text("{}")
        (output_dir / "refused.csv").write_text("photograph,reason\n")
        (output_dir / "summary.csv").write_text("name,area\ngood,7\n")

    made = object.__new__(Worker)
    made.root, made.folder, made.predictor, made.calls = tmp_path / "photographs", tmp_path / "out", predict, calls
    return made


def test_each_file_is_read_or_failed_and_told(worker):
    told = []
    assert worker.infer(SHARD, told=told.append) == 3
    assert told == [READ, FAILED, FAILED]
    good, bad, worse = Journal(worker.folder, SHARD).ended().values()
    assert good["findings"] == [{"name": "good", "area": "7"}]
    assert (worker.folder / good["outputs"] / "json" / "good.json").is_file()
    assert bad["reason"] == "bad.jpg is no picture"
    assert worse["reason"] == "MemoryError:"
    left = sorted(path.name for path in (worker.folder / SHARD.place).iterdir())
    assert left == ["000-good"], "nothing of a failed file is left"
    assert (worker.folder / "run.json").is_file()
    assert [path.name for path in (worker.folder / good["outputs"]).iterdir()] == ["json"]


def test_what_is_over_is_not_repeated(worker):
    journal = Journal(worker.folder, SHARD)
    journal.add({"file": "in/good.jpg", "status": READ})
    assert worker.infer(SHARD) == 2
    assert worker.calls == ["bad.jpg", "worse.jpg"]
    assert worker.infer(SHARD) == 0
    assert worker.calls == ["bad.jpg", "worse.jpg"]


def test_a_file_that_ends_the_process_is_tried_thrice_and_then_given_up(worker):
    def die(path, *, output_dir):
        raise Killed

    real, worker.predictor = worker.predictor, die
    for _ in range(3):
        with pytest.raises(Killed):
            worker.infer(SHARD)
    worker.predictor = real
    worker.infer(SHARD)
    good = json.loads(Journal(worker.folder, SHARD).part.read_text().splitlines()[0])
    assert good["status"] == FAILED
    assert "ended 3 times" in good["reason"]
    assert worker.calls == ["bad.jpg", "worse.jpg"]


def test_one_kill_costs_the_file_that_was_read_alone(worker):
    Journal(worker.folder, SHARD).add({"file": "in/good.jpg", "status": STARTED})
    half = worker.folder / SHARD.place / ".000-good"
    half.mkdir(parents=True)
    (half / "half").touch()
    worker.infer(SHARD)
    assert Journal(worker.folder, SHARD).ended()["in/good.jpg"]["status"] == READ
    assert not half.exists()
