"""A bundle's inference kept open, for servers and folders: the network is built and its weights are read once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from shared.errors import ConfigError
from shared.handlers.load import LoadModel, read_facts
from shared.package.configs import merged
from shared.workflow.enter import use_scripts_of
from shared.workflow.errors import own_errors

INFERENCE = "inference.json"
LOAD = "shared.handlers.LoadModel"
# A call is no experiment, and a bar over one file says nothing.
LEFT_OUT = ("shared.handlers.TrackRun", "shared.handlers.ProgressBar")
KEPT = ("network_def", "network")
# `import scripts` means one bundle at a time, in all threads.
ONE_AT_A_TIME = threading.RLock()


class InferenceWorkflow(ConfigWorkflow):
    """`inference.json` as a workflow of which resolved objects outlive the next parse.

    Args:
        folder: of the configurations.
        overlays: names of configuration files that are appended, with or without ``.json``.
        values: top-level keys and their values, which come last.
    """

    def __init__(self, folder: Path, *, overlays: Sequence[str], values: Mapping[str, Any]) -> None:
        files = [folder / INFERENCE, *(folder / f"{name.removesuffix('.json')}.json" for name in overlays)]
        for file in files:
            if not file.is_file():
                raise ConfigError(
                    f"{file} does not exist",
                    expected=f"a bundle's folder with configs/{INFERENCE}, and overlays that it has",
                    fix="correct the bundle's path or the overlay's name",
                )
        super().__init__([str(file) for file in files], logging_file=False, workflow_type="infer", **values)
        # Not `_disabled_`: what such an item refers to would be made all the same, here the store of experiments.
        self.parser["handlers"] = [item for item in self.parser["handlers"] if item["_target_"] not in LEFT_OUT]
        self.kept: dict[str, Any] = {}

    def initialize(self) -> Any:
        """Parse anew with what is kept, then run the configuration's own `initialize`."""
        self.prepare()
        return self._run_expr(id=self.init_id)

    def prepare(self) -> None:
        """Parse anew; what is kept is not made again."""
        self.parser.parse(reset=True)
        self.parser.ref_resolver.resolved_content.update(self.kept)
        self._is_initialized = True

    def open(self) -> None:
        """Enter the bundle, build its network and load the weights."""
        self.kept = {}
        self.prepare()
        self.parser.get_parsed_content(f"{self.init_id}::0")
        self.kept = {key: self.parser.get_parsed_content(key) for key in KEPT}
        for place, item in enumerate(self.parser["handlers"]):
            if item["_target_"] == LOAD:
                loader: LoadModel = self.parser.get_parsed_content(f"handlers::{place}")
                loader.load()
                self.kept[f"handlers::{place}"] = None

    def read(self, path: Path, output_dir: Path) -> None:
        """Infer one file or folder."""
        given = {"dataset_dir": str(path), "output_dir": str(output_dir)}
        for key, value in given.items():
            self.parser[key] = value
        # Beside the configuration, whose parser would turn a `#` in a path into `::`.
        self.kept |= given
        self.initialize()
        self.run()
        self.finalize()


class Predictor:
    """A bundle's inference kept open: network and weights are read once; every call writes what inference.json writes.

    Calls go through the bundle's own `inference.json`, without experiment tracking. Several predictors, also of
    different bundles, may live in one process; their calls wait for each other. Weights that have changed on disk are
    read again at the next call.

    Args:
        bundle: its folder.
        ckpt_path: weights; by default the bundle's ``models/model.pt``.
        overlays: names of configuration files to append; by default those that are recorded beside the weights,
            with the settings that are recorded there.
        overrides: top-level keys of the configuration.

    Raises:
        ConfigError: no such bundle, overlay or key.
        CheckpointError: no weights, or weights of another network or trained with other settings.
    """

    def __init__(
        self,
        bundle: str | Path,
        *,
        ckpt_path: str | Path | None = None,
        overlays: Sequence[str] = (),
        **overrides: Any,
    ) -> None:
        self.root = Path(bundle).resolve()
        self.ckpt_path = Path(ckpt_path or self.root / "models" / "model.pt").absolute()
        self.overlays, self.overrides = list(overlays), overrides
        self.workflow: InferenceWorkflow | None = None
        self._stamp: tuple[int, ...] = ()
        with self._entered():
            self._open()

    @property
    def name(self) -> str:
        """The bundle's."""
        return self.root.name

    @property
    def facts(self) -> dict[str, Any]:
        """What is recorded beside the weights."""
        return read_facts(self.ckpt_path)

    def __call__(self, path: str | Path, *, output_dir: str | Path) -> Path:
        """Infer a file or a folder.

        Args:
            path: what the bundle's ``dataset_dir`` may be.
            output_dir: the folder of results, made where absent.

        Returns:
            the folder of results.

        Raises:
            EyeBundlesError: nothing in ``path`` can be read, or the folder cannot be written.
        """
        source, folder = Path(path).absolute(), Path(output_dir).absolute()
        with self._entered():
            if self.workflow is None or self._stamp != _stamp(self.ckpt_path):
                self._open()
            assert self.workflow is not None
            self.workflow.read(source, folder)
        return folder

    def _open(self) -> None:
        self.workflow = None
        stamp, folder = _stamp(self.ckpt_path), self.root / "configs"
        trained = {} if self.overlays or not (folder / INFERENCE).is_file() else self._as_trained(folder)
        values = trained | {"ckpt_path": str(self.ckpt_path)} | self.overrides
        workflow = InferenceWorkflow(folder, overlays=self.overlays, values=values)
        workflow.open()
        self.workflow, self._stamp = workflow, stamp

    def _as_trained(self, folder: Path) -> dict[str, Any]:
        """Values of `inference.json` that the overlays and settings of the weights change."""
        own = json.loads((folder / INFERENCE).read_text())
        config = merged(folder, INFERENCE, self.facts)
        return {key: value for key, value in config.items() if own.get(key) != value}

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Hold the process for this bundle; of MONAI's errors only our own cause is shown."""
        with ONE_AT_A_TIME, own_errors():
            use_scripts_of(str(self.root))
            yield


def _stamp(file: Path) -> tuple[int, ...]:
    """Changes with the file's content; empty for no file."""
    if not file.is_file():
        return ()
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
