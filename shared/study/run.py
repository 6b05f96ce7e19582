"""Runs what a study has yet to run, and says what failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shared.progress import progress_bar
from shared.study.executor import Ended, Executor, Job
from shared.study.plan import Study
from shared.study.stages import TRAINING, Run, Stage, read_configs
from shared.study.state import FINISHED, STARTED, RunFolder
from shared.workflow.keys import accepted_keys

POLL_S = 0.1


class Failure(NamedTuple):
    """A run that did not reach its end: in which stage, the line that says why, and the whole log."""

    run: Run
    stage: str
    reason: str
    log: Path


class StudyRun:
    """Runs all unfinished stages of a study.

    Args:
        study: what to run.
        folder: the study's folder.
        executor: where.
        environment: for every process.
        check: called with each finished run, also of an earlier start; what it returns, unless empty, makes the run a
            failure. Such a run is not repeated.
    """

    def __init__(
        self,
        study: Study,
        *,
        folder: Path,
        executor: Executor,
        environment: Mapping[str, str] | None = None,
        check: Callable[[Run], str] = lambda run: "",
    ) -> None:
        self.study, self.folder, self.executor = study, folder, executor
        self.environment, self.check = dict(environment or {}), check
        self.failures: list[Failure] = []
        self.running: dict[str, tuple[Run, Stage]] = {}
        self.held: set[str] = set()
        self.waiting = deque(run for run in study.runs if self.place(run).next_stage() is not None)

    def place(self, run: Run) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.folder, run)

    def all(self) -> list[Failure]:
        """Run everything; what fails does not stop the others. Stops all processes when it is interrupted itself."""
        total = len(self.study.runs)
        self.check_finished()
        self.bar: Any = progress_bar(total=total, initial=total - len(self.waiting), desc="study", unit="run")
        try:
            while self.waiting or self.running:
                self.start_waiting()
                for ended in self.executor.poll():
                    self.end(ended)
                time.sleep(POLL_S)
        except BaseException:
            print("\nstopping: running trainings save where they are ...", flush=True)
            self.executor.stop()
            raise
        finally:
            self.bar.close()
        return self.failures

    def check_finished(self) -> None:
        """Name again what an earlier start of the study finished, but nobody can read."""
        waiting = {run.name for run in self.waiting}
        for run in self.study.runs:
            if run.name not in waiting and (reason := self.check(run)):
                self.fail(run, run.stages[-1], reason)

    def start_waiting(self) -> None:
        """Start as many runs as there is room for; those that an earlier process still holds go to the end."""
        for _ in range(len(self.waiting)):
            if not self.executor.free():
                return
            run = self.waiting.popleft()
            stage = self.place(run).next_stage()
            assert stage is not None
            if self.executor.start(self.job(run, stage)):
                self.running[run.name] = run, stage
                self.show()
                continue
            self.waiting.append(run)
            if run.name not in self.held:
                self.held.add(run.name)
                self.say(f"{run.name}: waiting for the process of a study that was killed")

    def job(self, run: Run, stage: Stage) -> Job:
        """The process of a stage."""
        place = self.place(run)
        places: dict[str, str] = {"output_dir": str(place.output_dir(stage.name))}
        places["run_name"] = f"{self.study.path.stem}-{run.name.replace('/', '-')}-{stage.digest[:6]}"
        accepted = accepted_keys(read_configs(stage.files))
        if stage.name == TRAINING:
            # The bundle's own models folder belongs to single runs. MONAI would drop None.
            places |= {"models_dir": ""} if "models_dir" in accepted else {}
        else:
            places["ckpt_path"] = str(place.path / "model.pt")
        command = stage.command(**places)

        def prepare() -> None:
            replaced = place.move_outdated(stage)
            if replaced is not None:
                self.say(f"{run.name}: was another {stage.name}, which is now in {replaced}")
            place.begin_log(stage.name)
            place.write_state(stage, STARTED, command=command)

        return Job(
            name=run.name,
            command=command,
            log=place.log_file(stage.name),
            lock=self.folder / "locks" / f"{run.name.replace('/', '-')}.lock",
            environment=self.environment,
            prepare=prepare,
        )

    def end(self, ended: Ended) -> None:
        """Note the end of a process; its run goes on with the next stage, is finished, or has failed."""
        run, stage = self.running.pop(ended.job.name)
        place = self.place(run)
        reason = self.reason(ended, place, stage)
        if not reason:
            facts = {"seconds": round(ended.seconds, 1), "command": list(ended.job.command)}
            place.write_state(stage, FINISHED, **facts)
            if place.next_stage() is not None:
                self.waiting.appendleft(run)
                return
            reason = self.check(run)
        if reason:
            self.fail(run, stage, reason)
        self.bar.update(1)
        self.show()

    def fail(self, run: Run, stage: Stage, reason: str) -> None:
        """Keep and say why a run is a failure."""
        log = self.place(run).log_file(stage.name)
        self.failures.append(Failure(run, stage.name, reason, log))
        self.say(f"FAILED {run.name} ({stage.name}): {reason}\n  log: {log}")

    def reason(self, ended: Ended, place: RunFolder, stage: Stage) -> str:
        """Why a process failed; empty where it did not."""
        if ended.status < 0:
            killed = " (out of memory?)" if ended.status == -9 else ""
            return f"ended by signal {-ended.status}{killed}; last line: {place.last_words(stage.name)}"
        if ended.status > 0:
            return place.last_words(stage.name)
        return "" if place.ended_well(stage) else "stopped before its end; the next start of the study continues it"

    def say(self, text: str) -> None:
        """A line above the progress bar."""
        from tqdm import tqdm

        tqdm.write(text)

    def show(self) -> None:
        """What runs now, beside the bar."""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        self.bar.set_postfix_str(f"running {len(self.running)}{failed}", refresh=True)
