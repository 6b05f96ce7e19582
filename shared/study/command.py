"""The command `python -m shared study`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigError, DataError
from shared.files import check_writable
from shared.handlers.tracking import PARENT_VARIABLE
from shared.report.files import write_json
from shared.study.collect import Results, read_cell
from shared.study.executor import Executor, LocalProcesses, available_cores
from shared.study.guard import only_study, signals_as_ctrl_c
from shared.study.plan import Study
from shared.study.plot import draw_study
from shared.study.ray_cluster import RayProcesses
from shared.study.run import Failure, StudyRun
from shared.study.stages import Run, folder_name
from shared.study.state import RunFolder
from shared.study.table import compute, markdown, write_tables
from shared.study.tracking import StudyRecord
from shared.workflow.paths import workspace

MOST_JOBS = 4


def study(
    file: str,
    *,
    output_dir: str = "",
    dataset_dir: str = "",
    jobs: int = 0,
    ray: str = "",
    keys: dict[str, Any] | None = None,
    dry_run: bool = False,
    tables: bool = False,
) -> None:
    """Train and evaluate everything that a study file names, then compare: table, CSV files and a picture.

    What is finished is not repeated: give the same command after an interruption, a failure or a change of the file.
    Exit status 0 all finished, 1 some run failed, 2 usage, 130 interrupted.

    Args:
        file: the study file, such as studies/NAME.json.
        output_dir: the study's folder; default: runs/studies/<file's name>.
        dataset_dir: the data for every run, in place of the file's (which are phantoms, if it says nothing).
        jobs: runs at a time; default: one per GPU, else one per core, here four at most.
        ray: address of a Ray cluster to run on, "auto" for the one that this machine belongs to, "local" to start one.
        keys: configuration keys for every run, such as "{'max_epochs':2}".
        dry_run: only list the runs and what is done.
        tables: only make the tables of what is finished.
    """
    plan = Study(file, keys=extra_keys(keys, dataset_dir))
    folder = study_folder(plan, output_dir=output_dir, dataset_dir=dataset_dir)
    if dry_run:
        print(listing(plan, folder))
        return
    check_writable(folder)
    with only_study(folder):
        write_json(folder / "study.json", plan.content | {"keys": plan.content.get("keys", {}) | plan.extra})
        failures, interrupted = ([], False) if tables else run(plan, folder, executor=choose_executor(jobs, ray=ray))
        absent = report(plan, folder, interrupted=interrupted, failures=failures, tracked=not tables)
    if interrupted:
        print(f"\ninterrupted; the same command goes on with {folder}", file=sys.stderr)
        raise SystemExit(130)
    for failure in failures:
        print(f"\nFAILED {failure.run.name} ({failure.stage}): {failure.reason}\n  log: {failure.log}", file=sys.stderr)
    if absent is not None:
        raise absent
    if failures:
        raise SystemExit(1)


def run(plan: Study, folder: Path, *, executor: Executor) -> tuple[list[Failure], bool]:
    """Run what is unfinished, as children of one MLflow run.

    Returns:
        failures, and whether it was interrupted.
    """
    study_run = StudyRun(
        plan,
        folder=folder,
        executor=executor,
        environment={PARENT_VARIABLE: StudyRecord(plan, folder).run_id},
        check=lambda run: unreadable(plan, folder, run),
    )
    done = len(plan.runs) - len(study_run.waiting)
    print(f"study folder: {folder}\n{len(plan.runs)} runs, {done} finished before", flush=True)
    with signals_as_ctrl_c():
        try:
            return study_run.all(), False
        except KeyboardInterrupt:
            return study_run.failures, True


def report(
    plan: Study, folder: Path, *, interrupted: bool, failures: Sequence[Failure], tracked: bool
) -> DataError | None:
    """Write and print tables and picture, and end the study's MLflow run.

    Returns:
        the error of a metric that no finished run has.
    """
    results = Results(plan, folder)
    numbers = compute(results)
    picture = draw_study(results, numbers, folder / "study.png")
    written = write_tables(results, numbers, folder) + ([picture] if picture else [])
    print(f"\n{markdown(results, numbers)}\n\nwritten to {folder}: {', '.join(path.name for path in written)}")
    if tracked:
        status = "KILLED" if interrupted else "FAILED" if failures else "FINISHED"
        means = {f"{item.metric}/{item.row}": item.mean for item in numbers.summaries}
        StudyRecord(plan, folder).finish(metrics=means, artifacts=written, status=status)
    for metric in plan.metrics:
        absent = [error for (_, name), error in results.absent.items() if name == metric.name]
        if absent and len(absent) == len(results.finished):
            return DataError(
                f"no run has it: {absent[0].received}",
                expected=absent[0].expected,
                fix="correct the metric in the study file; finished runs are kept",
            )
    return None


def unreadable(plan: Study, folder: Path, run: Run) -> str:
    """Why none of a finished run's metrics can be read; empty where one can."""
    texts = []
    for metric in plan.metrics:
        try:
            read_cell(folder, run, metric)
            return ""
        except DataError as error:
            texts.append(f"{error.received}; there is: {error.expected}")
    return texts[0]


def listing(plan: Study, folder: Path) -> str:
    """Every run with its state and what differs from `train.json`."""
    lines = []
    for item in plan.runs:
        place = RunFolder(folder, item)
        waiting = place.next_stage()
        state = "finished" if waiting is None else place.state(waiting.name).get("status") or "waiting"
        changed = waiting is not None and place.is_outdated(waiting)
        lines.append(f"{'changed' if changed else state:<9} {item.name}: {item.stages[0].shown()}")
    return "\n".join([f"study folder: {folder}", f"{len(plan.runs)} runs of {plan.bundle_root.name}", *lines])


def study_folder(plan: Study, *, output_dir: str, dataset_dir: str) -> Path:
    """Where the study's runs lie; other data than the file's have a folder of their own."""
    if output_dir:
        return Path(output_dir).expanduser().resolve()
    home = Path(workspace(bundle_root=str(plan.bundle_root)))
    data = f"-{folder_name(Path(dataset_dir).name)}" if dataset_dir else ""
    return home / "runs" / "studies" / f"{plan.path.stem}{data}"


def extra_keys(keys: Mapping[str, Any] | None, dataset_dir: str) -> dict[str, Any]:
    """Keys of the command line."""
    if keys is not None and not isinstance(keys, Mapping):
        raise ConfigError(f"--keys is {keys!r}", expected="names with values", fix="--keys \"{'max_epochs':2}\"")
    place = Path(dataset_dir).expanduser()
    data = {"dataset_dir": str(place.resolve()) if place.exists() else dataset_dir} if dataset_dir else {}
    return {str(key): value for key, value in (keys or {}).items()} | data


def choose_executor(jobs: int, *, ray: str = "") -> Executor:
    """This machine's processes, or a Ray cluster's where an address is given."""
    return RayProcesses(str(ray), jobs=jobs) if ray else local_executor(jobs)


def local_executor(jobs: int) -> LocalProcesses:
    """Processes of this machine.

    Raises:
        ConfigError: more than it has cores.
    """
    import torch

    cores, gpus = available_cores(), torch.cuda.device_count()
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 0 <= jobs <= max(cores, gpus):
        raise ConfigError(
            f"--jobs is {jobs!r}", expected=f"1 to {max(cores, gpus)}, the cores here", fix="correct the number"
        )
    return LocalProcesses(jobs=jobs or gpus or min(MOST_JOBS, cores), cores=cores, gpus=gpus)
