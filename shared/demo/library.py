"""The bundles that the page can use: what each reads, whether it is trained, and its open inference."""

from __future__ import annotations

import json
import runpy
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import shared
from shared.demo.uploads import BSCAN, FUNDUS, OCT, OTHER
from shared.errors import CheckpointError, ConfigError, DataError
from shared.handlers.load import read_facts
from shared.predictor import ONE_AT_A_TIME, Predictor
from shared.workflow.enter import use_scripts_of
from shared.workflow.paths import home_folder

# What a bundle whose metadata name this modality reads.
READS = {"fundus photograph": (FUNDUS,), "OCT": (OCT, BSCAN), "photograph": (OTHER, FUNDUS, BSCAN)}
SAMPLES = "scripts/samples.py"


class Bundle(NamedTuple):
    """A bundle's folder and weights; ``reads`` kinds of files, ``outputs`` of its network, as its metadata say."""

    root: Path
    model: Path
    title: str
    task: str
    reads: tuple[str, ...]
    outputs: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.root.name

    @property
    def is_trained(self) -> bool:
        """Whether there are weights."""
        return self.model.is_file()

    @property
    def facts(self) -> dict[str, Any]:
        """What is recorded beside the weights."""
        return read_facts(self.model)

    @property
    def command(self) -> str:
        """That trains it."""
        return f"make train BUNDLE={shlex.quote(self.name)}"

    @property
    def titles(self) -> dict[str, str]:
        """Of its tasks, where they have any."""
        tasks = json.loads((self.root / "configs" / "inference.json").read_text()).get("tasks", [])
        return {str(task["name"]): str(task.get("title", task["name"])) for task in tasks if isinstance(task, dict)}

    @property
    def samples(self) -> dict[str, Any]:
        """``SAMPLES`` of its ``scripts/samples.py``; empty without the file."""
        file = self.root / SAMPLES
        found: dict[str, Any] = runpy.run_path(str(file))["SAMPLES"] if file.is_file() else {}
        return found


def find_bundles(names: Sequence[str] = (), *, models_dir: str | Path = "") -> list[Bundle]:
    """Bundles by name or folder; by default all beside this package.

    Args:
        names: of folders in `bundles/`, or paths.
        models_dir: holds ``NAME/model.pt``; by default each bundle's own `models/`.

    Raises:
        ConfigError: a folder that is no bundle, or none at all.
    """
    folder = Path(shared.__file__).resolve().parents[1] / "bundles"
    known = sorted(path.parents[1] for path in folder.glob("*/configs/inference.json"))
    roots = [folder / name if (folder / name).is_dir() else Path(name).expanduser() for name in names] or known
    bundles = []
    for root in roots:
        if not (root / "configs" / "inference.json").is_file():
            raise ConfigError(
                f"{root} is no bundle",
                expected=f"one of {', '.join(path.name for path in known) or 'none here'}, or a bundle's folder",
                fix="correct --bundles (make demo BUNDLES=name,name)",
            )
        about = json.loads((root / "configs" / "metadata.json").read_text())
        models = Path(models_dir).expanduser() / root.name if models_dir else root / "models"
        formats = about["network_data_format"]
        modality = next(iter(formats["inputs"].values())).get("modality", "photograph")
        reads = READS.get(modality, READS["photograph"])
        found = (about["name"], about["task"], reads, len(formats["outputs"]))
        bundles.append(Bundle(root.resolve(), models / "model.pt", *found))
    if not bundles:
        raise ConfigError(f"no bundle in {folder}", expected="at least one", fix="give --bundles /path/to/bundle")
    return bundles


class Library:
    """Bundles with their inference, opened when first needed and then kept.

    Args:
        bundles: of `find_bundles`.
    """

    def __init__(self, bundles: Sequence[Bundle]) -> None:
        self.bundles = {bundle.name: bundle for bundle in bundles}
        self._open: dict[str, Predictor] = {}

    def choose(self, kind: str, *, name: str = "") -> Bundle:
        """The named bundle, else of those that read such files best a trained one, whose network says most.

        Raises:
            CheckpointError: it is not trained yet.
            DataError: no bundle here reads such files.
        """
        if name:
            bundle = self.bundles[name]
            if kind not in bundle.reads:
                raise DataError(
                    f"a file that looks like this is read by others: {kind}",
                    expected=f"for {bundle.title}: {' or '.join(bundle.reads)}",
                    fix="choose another bundle, or give another file",
                )
            return self._trained(bundle)
        fitting = [bundle for bundle in self.bundles.values() if kind in bundle.reads]
        if not fitting:
            raise DataError(
                f"no bundle on this page reads such a file: {kind}",
                expected=", ".join(sorted({read for bundle in self.bundles.values() for read in bundle.reads})),
                fix="start the page with more bundles, or give another file",
            )
        return self._trained(min(fitting, key=lambda one: (one.reads.index(kind), not one.is_trained, -one.outputs)))

    def predictor(self, bundle: Bundle) -> Predictor:
        """Its inference, opened once."""
        if bundle.name not in self._open:
            self._open[bundle.name] = Predictor(bundle.root, ckpt_path=bundle.model)
        return self._open[bundle.name]

    def sample(self, bundle: Bundle) -> Path:
        """A drawn picture or volume of the bundle's phantoms; drawn when first asked for, then kept.

        Raises:
            DataError: the bundle states none.
        """
        said = bundle.samples
        if not said:
            raise DataError(f"{bundle.name} states no sample", expected=SAMPLES, fix="give a file of your own")
        with ONE_AT_A_TIME:
            use_scripts_of(str(bundle.root))
            from scripts.phantoms import ensure_phantoms  # type: ignore[import-not-found]

            folder = ensure_phantoms(home_folder() / "data" / "phantoms", progress=False, **said["phantoms"])
        return Path(folder) / said["file"]

    def _trained(self, bundle: Bundle) -> Bundle:
        if not bundle.is_trained:
            raise CheckpointError(
                f"{bundle.title} has no model yet",
                expected=f"weights at {bundle.model.parent.name}/{bundle.model.name} of {bundle.name}",
                fix=f"train it: {bundle.command} (this page finds the model when it is there)",
            )
        return bundle
