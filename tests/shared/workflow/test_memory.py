"""Freed memory stays with the process: repeated large allocations cause few page faults."""

import subprocess
import sys

CODE = """
import resource, torch
from shared.workflow.memory import keep_freed_memory
torch.set_num_threads(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(20_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
taken = keep_freed_memory()
faults()
print(int(taken), default, faults())
"""


def test_large_allocations_are_reused():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=200)
    taken, default, kept = map(int, done.stdout.split())
    if taken:  # glibc
        assert kept < default / 20
