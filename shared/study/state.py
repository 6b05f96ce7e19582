"""Which stages of a study are done: one small file per stage, written in one step before and after it runs."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from shared.handlers.finish import FINISHED_FILE
from shared.report.files import write_json
from shared.study.stages import EVALUATION, TRAINING, Run, Stage

STARTED, FINISHED = "started", "finished"
REPLACED = "replaced"
ATTEMPT = "--- study: started"
ERROR_LINE = re.compile(r"^(\w+\.)*\w*(Error|Exception|Interrupt|Killed)\b.*")


class RunFolder:
    """The folder of one run within a study's: the training's output, the evaluation's inside it, logs and states.

    Args:
        study: the study's folder.
        run: whose.
    """

    def __init__(self, study: Path, run: Run) -> None:
        self.study, self.run, self.path = study, run, study / run.name

    def output_dir(self, stage: str) -> Path:
        """Where a stage writes."""
        return self.path / "evaluation" if stage == EVALUATION else self.path

    def log_file(self, stage: str) -> Path:
        """What a stage printed."""
        return self.path / f"{stage}.log"

    def state(self, stage: str) -> dict[str, Any]:
        """What is known of a stage: ``digest``, ``status``, ``command``, ``seconds``; empty before it started."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.path / f"study_{stage}.json").read_text())
        return {}

    def write_state(self, stage: Stage, status: str, **facts: Any) -> None:
        """Record a stage's start or its end."""
        known = {"digest": stage.digest, "status": status, "date": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write_json(self.path / f"study_{stage.name}.json", known | facts)

    def is_finished(self, stage: Stage) -> bool:
        """Whether exactly this stage has run to its end."""
        state = self.state(stage.name)
        return state.get("status") == FINISHED and state.get("digest") == stage.digest

    def next_stage(self) -> Stage | None:
        """The first stage that has yet to run; None where all are finished."""
        return next((stage for stage in self.run.stages if not self.is_finished(stage)), None)

    def is_outdated(self, stage: Stage) -> bool:
        """Whether something of another command lies where the stage writes."""
        if not self.state(stage.name):
            return self.output_dir(stage.name).is_dir() and any(self.output_dir(stage.name).glob("*.pt"))
        return self.state(stage.name).get("digest") != stage.digest

    def move_outdated(self, stage: Stage) -> Path | None:
        """Move what another command left to `replaced/` in the study's folder, so that no run goes on from it.

        Returns:
            where it is now; None where there was nothing.
        """
        if not self.is_outdated(stage):
            return None
        source = self.path if stage.name == TRAINING else self.output_dir(stage.name)
        target = self.study / REPLACED / f"{self.run.name}-{stage.name}-{self.state(stage.name).get('digest', 'x')}"
        number = 1
        while (place := target.with_name(f"{target.name}-{number}")).exists():
            number += 1
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.move(source, place)
        if stage.name != TRAINING:
            (self.path / f"study_{stage.name}.json").unlink(missing_ok=True)
        return place

    def ended_well(self, stage: Stage) -> bool:
        """Whether a stage that ended with status 0 did all its work: a training that was stopped ends with 0 too."""
        return stage.name != TRAINING or (self.path / FINISHED_FILE).is_file()

    def begin_log(self, stage: str) -> None:
        """Mark in the log where this attempt begins."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.log_file(stage).open("a") as log:
            log.write(f"{ATTEMPT} {time.strftime('%Y-%m-%d %H:%M:%S')}\n")

    def last_words(self, stage: str) -> str:
        """The line of the log that says why the last attempt failed: the last error, else the last line."""
        with contextlib.suppress(OSError):
            text = self.log_file(stage).read_text(errors="replace").rsplit(ATTEMPT, 1)[-1]
            lines = [line.strip() for line in text.splitlines()[1:]]
            errors = [line for line in lines if ERROR_LINE.match(line)]
            return (errors or [line for line in lines if line] or ["nothing was printed"])[-1]
        return "nothing was printed"
