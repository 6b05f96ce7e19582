"""Learned weights of tasks in two processes: the same in both, and equal to those of the gradients' mean."""

import json
import sys
from math import exp

import pytest

from tests.support.bundle import REPOSITORY, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCRIPT = """
import json, sys
import torch, torch.distributed as dist
from shared.handlers import AverageGradients
from shared.losses.weighting import UncertaintyWeights

dist.init_process_group("gloo")
rank = dist.get_rank()
weights = UncertaintyWeights(["a", "b"])
average = AverageGradients(module=weights)
optimizer = torch.optim.SGD(weights.parameters(), 0.1)
for step in range(3):
    optimizer.zero_grad()
    losses = {"a": torch.tensor(1.0 + rank)} | ({"b": torch.tensor(0.5)} if rank else {})
    weights(losses).backward()
    average.average()
    optimizer.step()
print(json.dumps({name: float(value) for name, value in weights.log_variances.items()}), flush=True)
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_learn_the_same_weights(tmp_path):
    (tmp_path / "learn.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = run_command(["env", f"PYTHONPATH={REPOSITORY}", *launcher, str(tmp_path / "learn.py")], home=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert first == second
    by_hand = {"a": 0.0, "b": 0.0}
    for _ in range(3):
        # d/ds of exp(-s) loss + s / 2 is 1/2 - exp(-s) loss; a process without the label counts as 0.
        gradients = {"a": 0.5 - exp(-by_hand["a"]) * 1.5, "b": (0.5 - exp(-by_hand["b"]) * 0.5) / 2}
        by_hand = {name: value - 0.1 * gradients[name] for name, value in by_hand.items()}
    assert first == pytest.approx(by_hand, abs=1e-6)
