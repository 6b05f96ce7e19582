"""Reads the files of one shard after the other with a network that is loaded once."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import EyeBundlesError
from shared.folder.journal import FAILED, MOST_STARTS, READ, STARTED, Entry, Journal
from shared.folder.plan import Shard
from shared.report.files import safe_name

# What a single call leaves: tables, of which the parts hold the content, and its record, of which one is enough.
TABLES, RECORD = ("summary.csv", "refused.csv"), ("run.json", "config.json")


class Worker:
    """One process's predictor.

    Args:
        root: the folder that is read.
        folder: of the results.
        bundle, ckpt_path, overlays, keys: as of `shared.predictor.Predictor`.
        threads: of PyTorch; 0 leaves them alone.

    Raises:
        EyeBundlesError: what the predictor refuses.
    """

    def __init__(
        self,
        *,
        root: str,
        folder: str,
        bundle: str,
        ckpt_path: str = "",
        overlays: Sequence[str] = (),
        keys: Mapping[str, Any] | None = None,
        threads: int = 0,
    ) -> None:
        import torch

        from shared.predictor import Predictor

        if threads:
            torch.set_num_threads(threads)
        self.root, self.folder = Path(root), Path(folder)
        with quiet():
            self.predictor = Predictor(bundle, ckpt_path=ckpt_path or None, overlays=list(overlays), **dict(keys or {}))

    def ready(self) -> bool:
        """Answers when the weights are loaded."""
        return True

    def infer(self, shard: Shard, told: Callable[[str], object] = lambda status: None) -> int:
        """Read what is left of a shard, then write its part; returns how many files were read or have failed now.

        Args:
            shard: which.
            told: called with ``"read"`` or ``"failed"`` after each file.
        """
        journal = Journal(self.folder, shard)
        with journal.alone():
            return 0 if journal.is_done else self._infer(journal, told)

    def _infer(self, journal: Journal, told: Callable[[str], object]) -> int:
        shard, entries, done = journal.shard, journal.entries(), 0
        for place, name in enumerate(shard.files):
            known = entries.get(name, {})
            if known.get("status") in (READ, FAILED):
                continue
            if known.get("starts", 0) >= MOST_STARTS:
                reason = f"the process ended {known['starts']} times while it read this file (out of memory?)"
                entry: Entry = {"file": name, "status": FAILED, "reason": reason}
            else:
                journal.add({"file": name, "status": STARTED})
                entry = self.read(name, place=f"{shard.place}/{place:03d}-{safe_name(Path(name).stem)[:80]}")
            journal.add(entry)
            told(entry["status"])
            done += 1
        journal.finish()
        return done

    def read(self, name: str, *, place: str) -> Entry:
        """Infer one file; its outputs appear all at once."""
        began = time.monotonic()
        target = self.folder / place
        scratch = target.with_name(f".{target.name}")
        entry: Entry = {"file": name}
        try:
            for folder in (scratch, target):
                shutil.rmtree(folder, ignore_errors=True)
            with quiet():
                self.predictor(self.root / name, output_dir=scratch)
            found = read_table(scratch / TABLES[0])
            self.tidy(scratch)
            scratch.rename(target)
            entry |= {"status": READ, "outputs": place, "findings": found}
        except Exception as error:
            shutil.rmtree(scratch, ignore_errors=True)
            entry |= {"status": FAILED, "reason": reason_of(error)}
        return entry | {"seconds": round(time.monotonic() - began, 3)}

    def tidy(self, scratch: Path) -> None:
        """Leave only what is of the file alone; the first record goes to the results' folder."""
        for name in RECORD:
            if (scratch / name).is_file() and not (self.folder / name).is_file():
                (scratch / name).replace(self.folder / name)
        for name in (*TABLES, *RECORD):
            (scratch / name).unlink(missing_ok=True)


def reason_of(error: Exception) -> str:
    """An exception in one line."""
    text = error.received if isinstance(error, EyeBundlesError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a call's ``summary.csv``."""
    if not file.is_file():
        return []
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def quiet() -> contextlib.AbstractContextManager[Any]:
    """What a call prints for one file is left out."""
    return contextlib.redirect_stdout(io.StringIO())
