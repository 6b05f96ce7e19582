"""Sites that keep their images: each bundle under MonaiAlgo, and NVFlare's simulator with the same sites."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.data.contents import content_key
from shared.federated.average import federated_average
from shared.federated.command import federate, site_data
from shared.federated.publish import ServerWorkflow
from shared.federated.simulate import ALL, Federation
from shared.federated.site import Site
from shared.handlers.load import read_facts, read_tensors
from shared.predictor import Predictor
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES, TINY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ROUNDS = 3


@pytest.fixture(autouse=True)
def one_thread(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.set_num_threads(1)


def small_keys(bundle: str) -> dict[str, Any]:
    keys = TINY[bundle].keys | TINY[bundle].golden | {"phantoms": TINY[bundle].phantoms}
    return {key: value for key, value in keys.items() if key != "max_epochs"}


def contents_of(site: Site) -> set[str]:
    """Size and checksum of all its images."""
    datalist = site.workflow.parser.get_parsed_content("datalist")
    return {content_key(item["image"]).split(" ", 1)[1] for items in datalist.values() for item in items}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_two_sites_exchange_weights_and_their_loss_falls(bundle: str, tmp_path: Path) -> None:
    root, keys = REPOSITORY / "bundles" / bundle, small_keys(bundle) | {"max_epochs": ROUNDS}
    sites = [
        Site(bundle=root, name=name, output_dir=tmp_path / name, keys=keys | own)
        for name, own in site_data("2", phantoms=TINY[bundle].phantoms).items()
    ]
    server = ServerWorkflow(root, overlays=[], keys=keys)
    federation = Federation(sites, output_dir=tmp_path, server=server)

    # Different images: no content is at both sites.
    contents = [contents_of(site) for site in sites]
    assert all(contents)
    assert not contents[0] & contents[1]

    rows = federation.run(ROUNDS)
    losses = [row.loss for row in rows if row.site == ALL]
    assert losses[-1] < losses[0], losses
    with (tmp_path / "rounds.csv").open() as file:
        assert [(row["round"], row["site"]) for row in csv.DictReader(file)] == [
            (str(number), name) for number in range(1, ROUNDS + 1) for name in ("site-1", "site-2", ALL)
        ]

    # All is exchanged, BatchNorm's statistics and a teacher too; what was scored is the mean of what came back.
    sent = [site.weights() for site in sites]
    assert all(state.keys() == federation.weights.keys() for state in sent)
    assert any("running_mean" in name for name in federation.weights)
    if sites[0].workflow.parser.config.get("teacher"):
        assert any(name.startswith("teacher.") for name in federation.weights)
    samples = {site.name: site.samples for site in sites}
    mean = federated_average({site.name: state for site, state in zip(sites, sent, strict=True)}, samples=samples)
    scored = [site.algo.evaluator.network.state_dict() for site in sites]
    for name, value in federation.weights.items():
        assert torch.equal(value, mean[name])
        assert all(torch.equal(state[name], value) for state in scored)
    assert any(not torch.equal(sent[0][name], sent[1][name]) for name in federation.weights)

    # The result is the bundle's own kind of weights.
    facts = read_facts(tmp_path / "model.pt")
    assert facts["federated"]["sites"] == {site.name: site.samples for site in sites}
    assert facts["phantom"]
    for name, value in read_tensors(tmp_path / "model.pt").items():
        assert torch.equal(value, federation.best.get(name, federation.best.get(f"teacher.{name}")))
    sample = Path(sites[0].workflow.parser.get_parsed_content("dataset_root")) / TINY[bundle].inferred
    done = Predictor(root, ckpt_path=tmp_path / "model.pt", device="cpu")(sample, output_dir=tmp_path / "read")
    assert list((done / "json").glob("*.json"))


def test_the_command_draws_the_sites_and_prints_the_rounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = "fundus_od_unet"
    federate(
        str(REPOSITORY / "bundles" / bundle),
        sites="2",
        rounds=1,
        output_dir=str(tmp_path / "out"),
        keys=small_keys(bundle) | {"batches_per_epoch": 1},
    )
    told = capsys.readouterr().out
    assert "all sites" in told
    assert (tmp_path / "out" / "model.pt").is_file()
    split = json.loads((tmp_path / "out" / "split.json").read_text())
    facts = read_facts(tmp_path / "out" / "model.pt")
    assert len(split["parts"]["training"]) == sum(facts["federated"]["sites"].values())


def test_nvflares_simulator_runs_the_job_and_its_model_is_a_bundles(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("nvflare")
    bundle = "retouch_meanteacher"
    root, keys = str(REPOSITORY / "bundles" / bundle), small_keys(bundle)
    job, work = tmp_path / "job", tmp_path / "work"
    federate(root, sites="2", rounds=2, keys=keys, nvflare_job=str(job), output_dir=str(tmp_path / "sites"))
    command = [sys.executable, "-m", "nvflare.cli", "simulator", str(job), "-w", str(work)]
    command += ["-c", "site-1,site-2", "-t", "2"]
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(400)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert status == 0, log.read_text()[-3000:]
    histories = [json.loads((tmp_path / "sites" / name / "history.json").read_text()) for name in ("site-1", "site-2")]
    assert [len(rows) for rows in histories] == [2, 2]
    assert all(rows[1]["loss"] < rows[0]["loss"] for rows in histories), histories

    saved = work / "server" / "simulate_job" / "FL_global_model.pt"
    federate(root, rounds=2, keys=keys, collect=str(saved), output_dir=str(tmp_path / "model"))
    facts = read_facts(tmp_path / "model" / "model.pt")
    assert facts["federated"] == {"rounds": 2}
    own = ServerWorkflow(Path(root), overlays=[], keys=keys | {"max_epochs": 2}).start()
    published = read_tensors(tmp_path / "model" / "model.pt")
    assert published.keys() == {name.removeprefix("teacher.") for name in own if name.startswith("teacher.")}
    trained = "encoder" if any("encoder" in name for name in published) else next(iter(published))
    assert any(
        not torch.equal(value, own[f"teacher.{name}"]) for name, value in published.items() if name.startswith(trained)
    )
