"""Experiment tracking: every run of every bundle in one MLflow store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler

from shared.engines.history import History
from shared.workflow.processes import is_main_process

# A study gives its runs the identifier of its own MLflow run, under which they then stand.
PARENT_VARIABLE = "EYE_BUNDLES_PARENT_RUN"


@contextmanager
def one_at_a_time(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time open a SQLite store: several that create it at once break it."""
    if not tracking_uri.startswith("sqlite:///"):
        yield
        return
    import fcntl

    with Path(f"{tracking_uri.removeprefix('sqlite:///')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def allowed_name(name: str) -> str:
    """A metric's name with the characters that MLflow accepts."""
    return re.sub(r"[^\w\-./: ]", "_", name).replace(" ", "_")


class TrackRun(MLFlowHandler):
    """MONAI's `MLFlowHandler` fed from the run's history: one batch of metrics per epoch, artifacts at the end.

    Args:
        tracking_uri, experiment_name, run_name: as in MONAI; the name of a run that was stopped continues that run.
        output_dir: the run's folder; its JSON and CSV files, `model.pt`, `figures/` and a few of its `overlays/` become
            artifacts.
        parameters: hyper-parameters.
        history: logged row by row; None (evaluation) logs the engine's metrics at the end.
        tags: MLflow tags, e.g. that the data are phantoms.
    """

    # Pattern -> how many files at most.
    artifact_patterns: ClassVar[dict[str, int | None]] = {
        "*.json": None, "*.csv": None, "model.pt": None, "figures/*.png": None, "overlays/*.jpg": 5
    }  # fmt: skip

    def __init__(
        self,
        *,
        tracking_uri: str,
        experiment_name: str,
        run_name: str,
        output_dir: str | Path,
        parameters: Mapping[str, Any] | None = None,
        history: History | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        if is_main_process():
            with one_at_a_time(tracking_uri):
                super().__init__(
                    tracking_uri=tracking_uri,
                    experiment_name=experiment_name,
                    run_name=run_name,
                    iteration_log=False,
                    experiment_param={name: str(value)[:500] for name, value in (parameters or {}).items()},
                )
                self._set_experiment()
        self.output_dir, self.history, self.tags = Path(output_dir), history, dict(tags or {})

    @property
    def run_id(self) -> str:
        """MLflow's identifier of the open run."""
        run: Any = self.cur_run
        return run.info.run_id

    def attach(self, engine: Engine) -> None:
        """Start, log each epoch, finish; a run that fails or is stopped is marked so."""
        if not is_main_process():
            return
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Engine) -> None:
        """Open the run; one that goes on from a checkpoint continues the run of its name, finished or not."""
        if engine.state.iteration > 0 and self.history is not None and self.cur_run is None:
            self.cur_run = self.find_run()
            # MLflow refuses a second value; what differs is in config-2.json and in the log.
            self._delete_exist_param_in_dict(self.experiment_param or {})
        super().start(engine)
        run_id = self.run_id
        self.client.update_run(run_id, status="RUNNING")
        parent = os.environ.get(PARENT_VARIABLE)
        for name, value in (self.tags | ({"mlflow.parentRunId": parent} if parent else {})).items():
            self.client.set_tag(run_id, name, str(value))

    def find_run(self) -> Any:
        """The newest run of this name; None where there is none."""
        self._set_experiment()
        experiment: Any = self.experiment
        runs = self.client.search_runs(experiment.experiment_id, order_by=["attributes.start_time DESC"])
        return next((run for run in runs if run.info.run_name == self.run_name), None)

    def epoch_completed(self, engine: Engine) -> None:
        """Log the newest row of the history."""
        if self.history is not None and self.history.rows:
            self._log_metrics(self.history.rows[-1], step=engine.state.epoch)

    def complete(self, engine: Engine) -> None:  # type: ignore[override]
        """Store the artifacts (of an evaluation the metrics as well) and end the run."""
        if self.history is None and engine.state.metrics:
            self._log_metrics({allowed_name(name): value for name, value in engine.state.metrics.items()})
        run_id = self.run_id
        for pattern, most in self.artifact_patterns.items():
            for file in sorted(self.output_dir.glob(pattern))[:most]:
                folder = file.parent.relative_to(self.output_dir).as_posix()
                self.client.log_artifact(run_id, str(file), None if folder == "." else folder)
        stopped = engine.should_terminate
        self.client.set_terminated(run_id, "KILLED" if stopped else "FINISHED")
        self._dispose_sqlite_store()

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Mark the run as failed and let the exception go on."""
        if self.cur_run is not None:
            self.client.set_terminated(self.run_id, "FAILED")
        raise error
