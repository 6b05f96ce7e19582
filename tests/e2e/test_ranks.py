"""Two ranks train, evaluate and read as one process does; one of them writes."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

from tests.support.bundle import run
from tests.support.rank_runs import COMPARABLE, Run, run_on_two_ranks
from tests.support.tiny import BUNDLES, TINY, draw, only_accepted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

SIZES = ("batch_size", "unlabelled_batch_size")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Plan:
    """What is run of a bundle, by one process and by two ranks: the same but for the batch size of a process."""

    def __init__(self, bundle: str, folder: Path) -> None:
        self.bundle, self.folder = bundle, folder
        data = draw(bundle, folder / "data")
        self.seen = folder / "seen"
        source = data / TINY[bundle].inferred
        folder_of_all = source if source.is_dir() else source.parents[1]
        self.single = source if source.is_file() else min(source.glob("*.jpg"))
        shutil.copytree(folder_of_all, self.seen)
        # Elsewhere the layout says which pictures there are.
        self.any_folder = source.is_dir()
        if self.any_folder:
            # Of one name, but not one file; and one that cannot be read.
            (self.seen / "more").mkdir()
            shutil.copy(self.single, self.seen / "more")
            (self.seen / "broken.jpg").write_bytes(b"no picture")
        keys = TINY[bundle].keys
        small = {key: 2 for key in SIZES if key in keys}
        steps = {"accumulation_steps": 2, "batches_per_epoch": 2}
        self.training = keys | small | COMPARABLE | steps | {"dataset_dir": str(data)}
        self.common = dict.fromkeys(small, 4)
        self.printed: list[str] = []

    def store(self, who: str) -> str:
        return f"sqlite:///{self.folder / who}/mlflow.db"

    def runs(self, who: str) -> list[Run]:
        """Training, evaluation of what was trained, inference on everything and on one subject."""
        place = self.folder / who
        place.mkdir(exist_ok=True)
        many = who == "two"
        keys = self.training | ({} if many else self.common)
        model = self.folder / "two" / "train" / "model.pt"
        more = {"tracking_uri": self.store(who)}

        def job(name: str, *files: str, overlay: str, **own: Any) -> Run:
            names = (*files, *([overlay] if many else []))
            chosen = only_accepted(keys, self.bundle, *names) | own | more | {"output_dir": str(place / name)}
            chosen.pop("device", None) if many else None
            return Run(self.bundle, names, chosen)

        train = job("train", "train", overlay="multi_gpu_train", models_dir=str(place / "models"))
        weights = {"ckpt_path": str(model), "network": None}
        found = [train]
        for name, files, overlay, own in (
            ("evaluate", ("train", "evaluate"), "multi_gpu_evaluate", {"bootstrap_samples": 20}),
            ("inference", ("inference",), "multi_gpu_inference", {"dataset_dir": str(self.seen)}),
            ("single", ("inference",), "multi_gpu_inference", {"dataset_dir": str(self.single)}),
        ):
            made = job(name, *files, overlay=overlay, **(weights | own))
            for key in ("network", "optimizer"):
                made.keys.pop(key, None)
            found.append(made)
        return found


@pytest.fixture(scope="module", params=BUNDLES)
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A bundle's runs, done: by two ranks, then by one process."""
    torch.set_num_threads(1)
    made = Plan(request.param, tmp_path_factory.mktemp(request.param))
    home = tmp_path_factory.mktemp("home")
    made.printed = run_on_two_ranks(made.runs("two"), home=home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYE_BUNDLES_HOME", str(home))
        patch.setattr(sys, "path", list(sys.path))
        for job in made.runs("one"):
            run(job.bundle, *job.names, **job.keys)
    return made


def test_training_is_that_of_one_process(plan: Plan) -> None:
    one, two = (plan.folder / who / "train" for who in ("one", "two"))
    rows, expected = (json.loads((folder / "history.json").read_text()) for folder in (two, one))
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for row, right in zip(rows, expected, strict=True):
        assert row == pytest.approx(right, rel=1e-3, abs=1e-5)
    weights, right = (torch.load(folder / "model.pt", weights_only=True) for folder in (two, one))
    torch.testing.assert_close(weights, right, rtol=1e-3, atol=1e-5)


def test_tables_of_evaluation_are_equal(plan: Plan) -> None:
    one, two = (plan.folder / who / "evaluate" for who in ("one", "two"))
    names = sorted(path.name for path in one.glob("*.csv"))
    assert names == sorted(path.name for path in two.glob("*.csv"))
    assert "metrics.csv" in names
    for name in names:
        assert (two / name).read_text() == (one / name).read_text(), name
    figures = sorted(path.name for path in (one / "figures").glob("*.png"))
    assert figures == sorted(path.name for path in (two / "figures").glob("*.png"))


@pytest.mark.parametrize("name", ["inference", "single"])
def test_files_of_inference_are_equal(name: str, plan: Plan) -> None:
    one, two = (plan.folder / who / name for who in ("one", "two"))
    files, expected = (
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) for folder in (two, one)
    )
    assert files == expected
    for table_name in ("summary.csv", "refused.csv"):
        assert (two / table_name).read_text() == (one / table_name).read_text(), table_name
    subjects = len(table(two / "summary.csv"))
    assert subjects == 1 if name == "single" else subjects > 2
    if name == "inference" and plan.any_folder:
        assert len({row["name"] for row in table(two / "summary.csv")}) == subjects
        assert [Path(row["photograph"]).name for row in table(two / "refused.csv")].count("broken.jpg") == 1


def test_one_rank_keeps_the_record(plan: Plan) -> None:
    client = mlflow.MlflowClient(plan.store("two"))
    [experiment] = [found for found in client.search_experiments() if found.name == plan.bundle]
    runs = client.search_runs(experiment.experiment_id)
    assert len(runs) == 4
    assert {found.info.status for found in runs} == {"FINISHED"}
    main, other = plan.printed
    assert "best model" in main
    assert "best model" not in other
    assert "table" not in other
    counted = [found.data.metrics for found in runs if any("_read" in key for key in found.data.metrics)]
    assert len(counted) == 2
