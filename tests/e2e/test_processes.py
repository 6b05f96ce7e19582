"""Training by two processes under torchrun."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.bundle import command, run_command
from tests.support.tiny import BUNDLES, TINY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def small(bundle):
    """As on the command line."""
    return TINY[bundle].keys | {"batches_per_epoch": 3, "batch_size": 2, "phantoms": TINY[bundle].phantoms}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_two_processes_train_one_network_and_one_of_them_writes(bundle, home, tmp_path):
    keys = small(bundle) | {"models_dir": tmp_path / "models", "output_dir": tmp_path / "run"}
    arguments = command("training", bundle, "train", "multi_gpu_train", **keys)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = run_command([*launcher, *arguments[1:]], home=home, timeout=800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(re.findall(r"^best model", done.stdout, flags=re.M)) == 1
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    assert Path(tmp_path / "models" / "model.pt").is_file()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_without_torchrun_the_error_names_it(bundle, home):
    done = run_command(command("training", bundle, "train", "multi_gpu_train", **small(bundle)), home=home)
    assert done.returncode == 1
    assert "torchrun --standalone" in done.stderr.strip().splitlines()[-1]
