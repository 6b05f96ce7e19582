"""`python -m shared infer`: refusals, tables; whole folders are read in `tests/e2e/test_folder.py`."""

import csv
import json
import sys

import pytest

from shared.errors import CheckpointError, ConfigError
from shared.folder.command import check_apart, check_same, checked_keys, describe, infer
from shared.folder.journal import FAILED, READ, Journal
from shared.folder.plan import Shard
from shared.folder.pool import make_pool
from shared.folder.summary import write_summary
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES

BUNDLE = str(REPOSITORY / "bundles" / BUNDLES[0])


def test_weights_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights at .*absent\.pt"):
        infer(BUNDLE, str(tmp_path), output_dir=str(tmp_path / "out"), ckpt_path=str(tmp_path / "absent.pt"))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"monai-eye-bundles\[ray\]"):
        make_pool({}, ray="local", workers=0)


def test_several_workers_need_ray():
    with pytest.raises(ConfigError, match=r"--workers 2 without --ray[\s\S]*--ray local"):
        make_pool({}, ray="", workers=2)
    with pytest.raises(ConfigError, match="--workers is"):
        make_pool({}, ray="local", workers=-1)


def test_results_are_not_put_among_the_photographs(tmp_path):
    for out in (tmp_path, tmp_path / "a" / "b"):
        with pytest.raises(ConfigError, match="lies in the folder that is read"):
            check_apart(tmp_path, out)
    check_apart(tmp_path / "photographs", tmp_path / "results")


def test_keys_with_flags_of_their_own_are_refused():
    with pytest.raises(ConfigError, match="dataset_dir"):
        checked_keys({"dataset_dir": "x"})
    with pytest.raises(ConfigError, match="names with values"):
        checked_keys("device")


def test_results_of_another_model_or_folder_are_kept_apart(tmp_path):
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"one")
    first = describe(tmp_path, tmp_path, weights, overlays=[], keys={"image_size": (8, 8)})
    (tmp_path / "inference.json").write_text(json.dumps(first))
    check_same(tmp_path, first)
    weights.write_bytes(b"two")
    with pytest.raises(CheckpointError, match="other weights"):
        check_same(tmp_path, describe(tmp_path, tmp_path, weights, overlays=[], keys={"image_size": (8, 8)}))
    weights.write_bytes(b"one")
    with pytest.raises(ConfigError, match="other overlays, keys"):
        check_same(tmp_path, describe(tmp_path, tmp_path, weights, overlays=["x"], keys={}))


def test_tables_are_of_all_shards_also_of_unfinished_ones(tmp_path):
    shards = [Shard(0, ("a", "b")), Shard(1, ("c", "d"))]
    for shard, name, more in (
        (shards[0], "a", {"status": READ, "outputs": "o/a", "seconds": 2, "findings": [{"name": "a", "x": "1"}]}),
        (shards[0], "b", {"status": FAILED, "reason": "no, picture"}),
        (shards[1], "c", {"status": READ, "outputs": "o/c", "seconds": 4, "findings": [{"name": "c", "y": "2"}]}),
    ):
        Journal(tmp_path, shard).add({"file": name} | more)
    Journal(tmp_path, shards[0]).finish()
    numbers = write_summary(tmp_path, shards, about={"workers": 2})
    assert numbers == {"planned": 4, "read": 2, "failed": 1, "left": 1, "seconds_per_file": 3.0, "workers": 2}
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"file": "a", "outputs": "o/a", "name": "a", "x": "1", "y": ""},
        {"file": "c", "outputs": "o/c", "name": "c", "x": "", "y": "2"},
    ]
    with (tmp_path / "failed.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"file": "b", "reason": "no, picture"}]
    assert json.loads((tmp_path / "summary.json").read_text()) == numbers
