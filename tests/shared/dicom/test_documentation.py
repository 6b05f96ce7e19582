"""The example of docs/dicom.md is run on a segmentation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from shared.dicom.segmentation import write_volume_segmentation
from tests.support.bundle import REPOSITORY
from tests.support.dicom import GEOMETRY, scan_voxels, write_scan


def test_the_example_prints_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "dicom.md").read_text(), flags=re.S)
    labels_NHW = np.zeros(GEOMETRY.size_NHW, np.uint8)
    labels_NHW[1, :2, :5], labels_NHW[3, 4, :7] = 1, 2
    source = write_scan(tmp_path / "scan.dcm", scan_voxels())
    write_volume_segmentation(labels_NHW, tmp_path / "segmentation.dcm", source=source, classes=["IRF", "SRF"])
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert sorted(capsys.readouterr().out.splitlines()) == ["IRF 2 10", "SRF 4 7"]
