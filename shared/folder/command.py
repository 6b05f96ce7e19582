"""The command `python -m shared infer`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import CheckpointError, ConfigError
from shared.files import check_writable
from shared.folder.journal import Journal
from shared.folder.plan import Shard, find_units, make_plan
from shared.folder.pool import make_pool
from shared.folder.summary import FAILURES, SUMMARY, write_failures, write_summary
from shared.handlers.load import no_weights
from shared.progress import progress_bar
from shared.report.files import plain, write_json
from shared.report.table import format_table
from shared.study.guard import only_study, signals_as_ctrl_c

ABOUT = "inference.json"
FAILURES_EVERY_S = 60.0
# What the command itself says.
OWN_KEYS = ("dataset_dir", "output_dir", "ckpt_path")


def infer(
    bundle: str,
    folder: str,
    *,
    output_dir: str,
    ckpt_path: str = "",
    ray: str = "",
    workers: int = 0,
    batch: int = 100,
    threads: int = 0,
    overlays: str = "",
    keys: dict[str, Any] | None = None,
    retry_failed: bool = False,
) -> None:
    """Read a whole folder, of any size: what inference.json writes for each file, tables of all, and what failed.

    What is done is not repeated: give the same command after an interruption or for new files in the folder.
    Exit status 0 all read, 1 some failed (failed.csv says why), 2 usage, 130 interrupted.

    Args:
        bundle: the bundle's folder, such as bundles/idrid_moe_mtl.
        folder: of photographs or volumes, with all its folders.
        output_dir: where results go.
        ckpt_path: weights; default: the bundle's models/model.pt.
        ray: "local" for several processes here, or the address of a Ray cluster, "auto" for the one of this machine.
        workers: processes on Ray; default: one per GPU, else one per two cores.
        batch: files per shard, which one worker reads and whose results are one file.
        threads: of PyTorch in each process; default: the cores of a worker.
        overlays: configuration files to append, comma-separated; default: those recorded beside the weights.
        keys: configuration keys, such as "{'device':'cpu'}".
        retry_failed: read again what has failed.
    """
    root, out = Path(bundle).expanduser().resolve(), Path(output_dir).expanduser().resolve()
    source = Path(folder).expanduser().resolve()
    listed = [name for name in overlays.split(",") if name]
    given = checked_keys(keys)
    weights = Path(ckpt_path).expanduser().resolve() if ckpt_path else root / "models" / "model.pt"
    about = describe(root, source, weights, overlays=listed, keys=given)
    check_apart(source, out)
    check_writable(out, fix="give another --output_dir")
    with only_study(out):
        check_same(out, about)
        shards = make_plan(out / "plan.jsonl", find_units(source, bundle=root), batch=batch)
        write_json(out / ABOUT, about)
        if retry_failed:
            again = sum(Journal(out, shard).reopen() for shard in shards)
            print(f"{again} failed files are read again", flush=True)
        options = {
            "root": str(source),
            "folder": str(out),
            "bundle": str(root),
            "ckpt_path": str(weights),
            "overlays": listed,
            "keys": given,
            "threads": threads,
        }
        numbers, interrupted = run(shards, out, options=options, ray=str(ray), workers=workers)
        if not numbers["left"]:
            shutil.rmtree(out / "journal", ignore_errors=True)
    print(f"\n{shown(numbers, out)}", flush=True)
    if interrupted:
        print("\ninterrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130)
    if numbers["failed"]:
        raise SystemExit(1)


def run(
    shards: list[Shard], out: Path, *, options: Mapping[str, Any], ray: str, workers: int
) -> tuple[dict[str, Any], bool]:
    """Read what is left.

    Returns:
        numbers, and whether it was interrupted.
    """
    left = [shard for shard in shards if not Journal(out, shard).is_done]
    total = sum(len(shard.files) for shard in shards)
    over = total - sum(len(shard.files) - len(Journal(out, shard).ended()) for shard in left)
    print(f"{total} files in {len(shards)} shards, {over} done before", flush=True)
    began, told_at, interrupted, now = time.monotonic(), time.monotonic(), False, 0
    with progress_bar(total=total, initial=over, desc="inference", unit="file") as bar:

        def told(shard: Shard, number: int) -> None:
            nonlocal told_at, now
            bar.update(number)
            now += number
            if time.monotonic() - told_at > FAILURES_EVERY_S:
                told_at = time.monotonic()
                bar.set_postfix_str(f"{write_failures(out, shards)} failed", refresh=True)

        pool = None
        with signals_as_ctrl_c():
            try:
                if left:
                    pool = make_pool(options, ray=ray, workers=workers)
                    # Once more: Ray has put its own in place.
                    with signals_as_ctrl_c():
                        pool.run(left, told)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                if pool is not None:
                    with contextlib.suppress(KeyboardInterrupt):
                        pool.stop()
    seconds = time.monotonic() - began
    about = {
        "workers": pool.workers if pool is not None else 0,
        "this_start": {"files": now, "seconds": round(seconds, 1)},
    }
    return write_summary(out, shards, about=about), interrupted


def shown(numbers: Mapping[str, Any], out: Path) -> str:
    """The numbers, for people."""
    this = numbers["this_start"]
    pace = f"{this['files'] / this['seconds']:.2f} files per second" if this["files"] and this["seconds"] else "-"
    rows = [
        ["files", numbers["planned"]],
        ["read", numbers["read"]],
        ["failed", f"{numbers['failed']}" + (f" (reasons: {out / FAILURES})" if numbers["failed"] else "")],
        ["left", numbers["left"]],
        ["this start", f"{this['files']} files in {this['seconds']} s, {pace}, {numbers['workers']} workers"],
        ["table", out / SUMMARY],
        ["outputs", out / "outputs"],
    ]
    return format_table(["folder", ""], rows)


def describe(
    root: Path, source: Path, weights: Path, *, overlays: list[str], keys: Mapping[str, Any]
) -> dict[str, Any]:
    """What makes the results what they are.

    Raises:
        CheckpointError: no weights.
    """
    if not weights.is_file():
        raise no_weights(weights)
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bundle": root.name, "folder": str(source), "weights": digest, "overlays": overlays, "keys": plain(keys)}


def check_same(out: Path, about: Mapping[str, Any]) -> None:
    """Raise unless what an earlier start left was made in the same way.

    Raises:
        CheckpointError: with other weights.
        ConfigError: of another folder, or with other keys.
    """
    file = out / ABOUT
    if not file.is_file():
        return
    before = json.loads(file.read_text())
    differing = [key for key in about if before.get(key) != about[key]]
    if differing:
        kind = CheckpointError if differing == ["weights"] else ConfigError
        raise kind(
            f"{out} holds results with other {', '.join(differing)}",
            expected="a folder of its own for each bundle, model and folder that is read",
            fix="give another --output_dir, or the same command as before",
        )


def check_apart(source: Path, out: Path) -> None:
    """Raise `ConfigError` where results would be found as photographs at the next start."""
    if out == source or source in out.parents:
        raise ConfigError(
            f"--output_dir {out} lies in the folder that is read",
            expected="a folder outside of it",
            fix="give another --output_dir",
        )


def checked_keys(keys: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keys of the command line.

    Raises:
        ConfigError: no names with values, or one that has a flag of its own.
    """
    if keys is not None and not isinstance(keys, Mapping):
        raise ConfigError(f"--keys is {keys!r}", expected="names with values", fix="--keys \"{'device':'cpu'}\"")
    given = {str(key): value for key, value in (keys or {}).items()}
    if taken := sorted(set(OWN_KEYS) & given.keys()):
        raise ConfigError(f"--keys has {', '.join(taken)}", expected="other keys", fix="use the flags")
    return given
