"""Training by two processes under torchrun."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.bundle import command, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SMALL = {
    "image_size": "[64,80]",
    "backbone": "resnet18",
    "num_experts": 2,
    "max_epochs": 2,
    "batches_per_epoch": 3,
    "batch_size": 2,
    "accumulation_steps": 1,
    "num_workers": 0,
    "amp": False,
    "phantoms": "{'size':[178,268],'num_masked':[6,2],'num_graded':[12,4],'seed':1}",
}


def test_two_processes_train_one_network_and_one_of_them_writes(home, tmp_path):
    keys = SMALL | {"models_dir": tmp_path / "models", "output_dir": tmp_path / "run"}
    arguments = command("training", "idrid_moe_mtl", "train", "multi_gpu_train", **keys)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = run_command([*launcher, *arguments[1:]], home=home, timeout=800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(re.findall(r"^best model", done.stdout, flags=re.M)) == 1
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    assert Path(tmp_path / "models" / "model.pt").is_file()


def test_without_torchrun_the_error_names_it(home):
    done = run_command(command("training", "idrid_moe_mtl", "train", "multi_gpu_train", **SMALL), home=home)
    assert done.returncode == 1
    assert "torchrun --standalone" in done.stderr.strip().splitlines()[-1]
