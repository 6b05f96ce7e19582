"""The files that a bundle needs: MONAI's, the model zoo's and this project's."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.bundle import REPOSITORY

# `verify_bundle.py` of the model zoo asks for the first three, and for models/model.pt, which training makes.
NEEDED = (
    *("LICENSE", "configs/metadata.json", "configs/inference.json"),
    *("configs/train.json", "configs/evaluate.json", "configs/logging.conf"),
    *("configs/multi_gpu_train.json", "configs/multi_gpu_evaluate.json", "configs/multi_gpu_inference.json"),
    *("configs/inference_trt.json", "configs/federated.json", "configs/label.json"),
    *("configs/quickstart.json", "configs/as_published.json"),
    *("docs/README.md", "docs/data_license.txt", "models/.gitkeep"),
    *("scripts/__init__.py", "scripts/measured.py", "scripts/tiny.py"),
)
# Modules or packages.
SCRIPTS = ("datalist", "doctor", "phantoms")
# Of the model zoo's template, and this project's.
HEADINGS = (
    *("## Model Overview", "## Data", "## Training configuration", "## Performance", "## MONAI Bundle Commands"),
    *("#### Execute training", "#### Override the `train` config to execute multi-GPU training"),
    *("#### Override the `train` config to execute evaluation", "#### Execute inference", "#### Examine a data set"),
    *("## Limitations", "## References", "## License"),
)


def check_files(root: Path) -> None:
    """What must be there, and the chapters of the model card."""
    absent = [name for name in NEEDED if not (root / name).is_file()]
    scripts = root / "scripts"
    absent += [
        f"scripts/{name}"
        for name in SCRIPTS
        if not (scripts / f"{name}.py").is_file() and not (scripts / name / "__init__.py").is_file()
    ]
    assert not absent, f"absent: {absent}"
    lines = (root / "docs" / "README.md").read_text().splitlines()
    assert lines[0].startswith("# "), "the model card begins with its title"
    places = [lines.index(heading) if heading in lines else -1 for heading in HEADINGS]
    assert min(places) > 0, f"no chapter {HEADINGS[places.index(min(places))]!r}"
    assert places == sorted(places), "chapters in another order than in the other bundles"


def check_licence(root: Path) -> None:
    """The licence is the repository's, and the data set's terms are said."""
    assert (root / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    assert len((root / "docs" / "data_license.txt").read_text().split()) > 30


def check_configs_can_be_shared(root: Path) -> None:
    """No place of one computer in any file, one way to log, valid JSON without a key twice."""
    first = min((REPOSITORY / "bundles").glob("*/configs/logging.conf"))
    assert (root / "configs" / "logging.conf").read_text() == first.read_text()
    from tests.support.verification.read import read

    for path in sorted((root / "configs").glob("*.json")):
        read(root, path.stem)
        places = re.findall(r'"(/\w[^"]*|[A-Za-z]:\\[^"]*)"', path.read_text())
        assert not places, f"{path.name} has places of one computer: {places}"
        assert path.read_text() == path.read_text().strip() + "\n"
        assert json.loads(path.read_text())
