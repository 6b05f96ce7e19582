"""Peak memory of a whole inference, in a process of its own: loader, evaluator, writer."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from shared.data.volume_file import VolumeFile
from shared.handlers import VolumeWriter
from tests.shared.handlers.test_volume_evaluator import evaluate, item_of
from tests.support.volumes import write_mhd

folder = Path(sys.argv[1])
for count in (16, 16, 256):
    scans = folder / f"P{count}"
    if not scans.is_dir():
        write_mhd(scans / "oct.mhd", np.zeros((1, 256, 256), np.uint8), DimSize=f"256 256 {count}")
        with (scans / "oct.raw").open("ab") as file:
            for _ in range(count - 1):
                file.write(bytes(np.random.default_rng(0).integers(0, 99, 256 * 256, dtype=np.uint8)))
    items = [item_of(scans)]
    writer = VolumeWriter(items, classes=["IRF", "SRF", "PED"], output_dir=folder / f"out{count}", pictures=False)
    evaluate(items, [writer], size=(256, 256), num_classes=4, stream=True)
    print("peak", count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.e2e
def test_memory_does_not_grow_with_the_number_of_bscans(tmp_path):
    """240 more B-scans are 16 MB of voxels and 250 MB of probabilities; none of that may stay."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    peaks = [int(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("peak")]
    assert peaks[2] - peaks[1] < 8 * 1024, peaks  # KB
