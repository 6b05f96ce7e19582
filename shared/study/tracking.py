"""A study in the MLflow store: one parent run, the runs as its children."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.handlers.tracking import allowed_name, one_at_a_time
from shared.report.files import write_json
from shared.study.plan import Study
from shared.study.stages import read_configs
from shared.workflow.paths import tracking_uri, workspace

RECORD = "tracking.json"


class StudyRecord:
    """The parent run of a study; made, with its store, before any run starts: several processes that create one SQLite
    store at once break it.

    Args:
        study: whose.
        folder: its folder, where the run's identifier is kept, so that a study that goes on stays one run.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        self.uri = tracking_uri(workspace=workspace(bundle_root=str(study.bundle_root)))
        train = read_configs([study.bundle_root / "configs" / "train.json"])[0]
        name = {**train, **study.content.get("keys", {}), **study.extra}.get("experiment_name", study.bundle_root.name)
        with one_at_a_time(self.uri):
            self.client = MlflowClient(tracking_uri=self.uri)
            experiment = self.client.get_experiment_by_name(name)
            self.experiment_id = experiment.experiment_id if experiment else self._create_experiment(name)
            self.run_id = self._known_run(folder) or self._create_run(study)
        write_json(folder / RECORD, {"run_id": self.run_id, "tracking_uri": self.uri})
        self.client.update_run(self.run_id, status="RUNNING")

    def finish(self, *, metrics: Mapping[str, float], artifacts: list[Path], status: str) -> None:
        """Store the table's means, its files and how the study ended."""
        for name, value in metrics.items():
            self.client.log_metric(self.run_id, allowed_name(name), value)
        for file in artifacts:
            self.client.log_artifact(self.run_id, str(file))
        self.client.set_terminated(self.run_id, status)

    def _create_experiment(self, name: str) -> str:
        file = Path(self.uri.removeprefix("sqlite:///"))
        # Beside the store, as `TrackRun` has it; MLflow's default is the current directory.
        place = (file.parent / "mlruns").as_uri() if self.uri.startswith("sqlite:///") else None
        return self.client.create_experiment(name, artifact_location=place)

    def _create_run(self, study: Study) -> str:
        tags = {"study": study.path.stem, "bundle": study.bundle_root.name, "mlflow.note.content": study.note}
        run = self.client.create_run(self.experiment_id, run_name=f"study {study.path.stem}", tags=tags)
        facts: dict[str, Any] = {"rows": len(study.rows), "seeds": study.seeds, "keys": study.content.get("keys", {})}
        for name, value in facts.items():
            self.client.log_param(run.info.run_id, name, str(value)[:500])
        return run.info.run_id

    def _known_run(self, folder: Path) -> str:
        from mlflow.exceptions import MlflowException

        try:
            run_id = json.loads((folder / RECORD).read_text())["run_id"]
            return self.client.get_run(run_id).info.run_id
        except (OSError, ValueError, KeyError, MlflowException):
            return ""
