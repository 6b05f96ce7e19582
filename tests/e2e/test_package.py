"""A packaged bundle runs under another name, in an empty folder, with MONAI and its stated packages alone."""

import json
import subprocess
from pathlib import Path

import pytest

from shared.package.pack import package
from shared.package.unpack import unpack_bundle
from tests.support.alone import make_environment
from tests.support.bundle import REPOSITORY, command, run_command
from tests.support.tiny import BUNDLES, TINY, draw, only_accepted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
LOAD = """
import json, sys
import torch
from monai.bundle import load

network = load(sys.argv[1], bundle_dir=sys.argv[2], workflow_type="inference")
weights = torch.load(sys.argv[3], weights_only=True)
state = network.state_dict()
assert state.keys() == weights.keys()
assert all(torch.equal(state[key], weights[key]) for key in state)
print("LOADED", type(network).__module__)
"""


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_package_runs_alone(bundle, home, tmp_path):
    data = draw(bundle, tmp_path / "data")
    keys = TINY[bundle].keys | {"dataset_dir": data, "max_epochs": 1, "batches_per_epoch": 2}
    trained = run_command(
        command("training", bundle, "train", output_dir=tmp_path / "run", models_dir=tmp_path / "models", **keys),
        home=home,
        timeout=400,
    )
    assert trained.returncode == 0, trained.stderr[-3000:]
    package(str(REPOSITORY / "bundles" / bundle), output_dir=str(tmp_path), ckpt_path=str(tmp_path / "models/model.pt"))
    root = unpack_bundle(tmp_path / f"{bundle}.zip", tmp_path / "elsewhere", name="renamed")
    python = make_environment(tmp_path / "environment", (root / "requirements.txt").read_text().splitlines())

    def alone(*words: str) -> str:
        """Run Python there; its output."""
        done = subprocess.run(
            [str(python), *words],
            cwd=root,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout

    def run(run_id: str, *names: str, **overrides: object) -> str:
        files = "[" + ",".join(f"'configs/{name}.json'" for name in names) + "]"
        options = [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
        return alone("-m", "monai.bundle", "run", run_id, "--config_file", files, *options)

    absent = [str(python), "-I", "-c", "import shared"]
    assert "No module named 'shared'" in subprocess.run(absent, capture_output=True, text=True, check=False).stderr
    found = run("inference", "inference", dataset_dir=data / TINY[bundle].inferred, output_dir=tmp_path / "found")
    assert found
    assert [path for path in (tmp_path / "found").rglob("*") if path.suffix in (".csv", ".json")]
    small = {key: value for key, value in keys.items() if key != "dataset_dir"}
    data_keys = only_accepted(small, bundle, "train") | {"dataset_dir": data, "output_dir": tmp_path / "evaluated"}
    run("evaluating", "train", "evaluate", **data_keys)
    assert json.loads((tmp_path / "evaluated" / "metrics.json").read_text())
    models = tmp_path / "models_there"
    run("training", "train", **data_keys | {"output_dir": tmp_path / "again", "models_dir": models})
    assert (models / "model.pt").is_file()
    said = alone("-c", LOAD, root.name, str(root.parent), str(tmp_path / "models" / "model.pt"))
    assert "LOADED" in said
    assert Path(root / "shared").is_dir()
