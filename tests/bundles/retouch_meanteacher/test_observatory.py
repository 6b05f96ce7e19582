"""A bundle's training that saves snapshots and records images as the errors say, looked at afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from shared.__main__ import main
from shared.comparison.records import OVERLAY as RECORD_OVERLAY
from shared.errors import DataError
from shared.observatory import load_surface, open_run
from shared.observatory.snapshots import OVERLAY
from tests.support.bundle import REPOSITORY
from tests.support.measured import compare_measured


def test_surfaces_after_a_training_run(
    tiny: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skipped = shutil.ignore_patterns("docs", "models", "__pycache__")
    bundle = shutil.copytree(REPOSITORY / "bundles" / "retouch_meanteacher", tmp_path / "bundle", ignore=skipped)
    (bundle / "configs" / "snapshots.json").write_text(OVERLAY)
    (bundle / "configs" / "record.json").write_text(RECORD_OVERLAY)
    files = [str(bundle / "configs" / name) for name in ("train.json", "snapshots.json", "record.json")]
    flow = ConfigWorkflow(config_file=files, workflow_type="train", logging_file=False, **tiny)
    flow.initialize()
    flow.run()
    flow.finalize()
    folder = tmp_path / "run"
    main(["losses", "surface", str(folder), "--side=3", "--plane=pca", "--losses=dice_focal"])
    surface = load_surface(folder / "observatory" / "surface_pca_frozen.npz")
    assert list(surface.names) == ["dice_focal", "1 - Dice"]
    assert not surface.waiting
    assert "surface_pca_frozen.png" in capsys.readouterr().out
    undeclared, unwritten = compare_measured("retouch_meanteacher", folder)
    assert not undeclared
    assert all("fluid" in column or "_within_" in column for column in unwritten)
    rows = (folder / "per_epoch.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,part,name,accuracy_all,accuracy_background,accuracy_IRF")
    assert {row.split(",")[0] for row in rows[1:]} == {"0", "1", "2"}
    main(["compare", str(folder), "--nopage", f"--output_dir={tmp_path / 'comparison'}"])
    assert "validation, last epoch of each run" in capsys.readouterr().out
    shutil.rmtree(folder / "snapshots")
    with pytest.raises(DataError) as error:
        open_run(folder)
    assert OVERLAY in str(error.value)
