"""A shard's journal: what survives a killed process, and what does not."""

import json

from shared.folder.journal import FAILED, READ, STARTED, Journal, read_lines
from shared.folder.plan import Shard

SHARD = Shard(3, ("a", "b", "c"))


def test_entries_are_the_last_of_each_file_with_the_number_of_starts(tmp_path):
    journal = Journal(tmp_path, SHARD)
    for status in (STARTED, STARTED, READ):
        journal.add({"file": "a", "status": status})
    journal.add({"file": "b", "status": STARTED})
    entries = journal.entries()
    assert (entries["a"]["status"], entries["a"]["starts"]) == (READ, 2)
    assert (entries["b"]["status"], entries["b"]["starts"]) == (STARTED, 1)
    assert journal.ended().keys() == {"a"}


def test_half_a_line_of_a_killed_process_is_no_line_and_breaks_no_other(tmp_path):
    journal = Journal(tmp_path, SHARD)
    journal.add({"file": "a", "status": READ})
    whole = journal.file.read_bytes()
    for length in range(1, len(whole)):
        journal.file.write_bytes(whole + whole[:length].replace(b'"a"', b'"b"'))
        journal.add({"file": "c", "status": FAILED, "reason": "ä"})
        assert {"a", "c"} <= journal.ended().keys(), length
        assert journal.ended()["c"]["reason"] == "ä"


def test_a_finished_shard_is_one_part_in_the_shards_order(tmp_path):
    journal = Journal(tmp_path, SHARD)
    for name in ("c", "a", "b"):
        journal.add({"file": name, "status": STARTED})
        journal.add({"file": name, "status": READ})
    assert not journal.is_done
    assert journal.finish() == tmp_path / "results" / "part-000003.jsonl"
    assert journal.is_done
    assert not journal.file.exists()
    assert [json.loads(line)["file"] for line in journal.part.read_text().splitlines()] == ["a", "b", "c"]


def test_failed_files_are_opened_again_and_read_ones_kept(tmp_path):
    journal = Journal(tmp_path, SHARD)
    for name, status in (("a", READ), ("b", FAILED), ("c", READ)):
        journal.add({"file": name, "status": status, "reason": "x"})
    journal.finish()
    assert journal.reopen() == 1
    assert not journal.is_done
    assert journal.ended().keys() == {"a", "c"}
    assert Journal(tmp_path, SHARD).reopen() == 0


def test_a_part_without_failures_stays(tmp_path):
    journal = Journal(tmp_path, Shard(0, ("a",)))
    journal.add({"file": "a", "status": READ})
    journal.finish()
    assert journal.reopen() == 0
    assert journal.is_done


def test_no_file_has_no_lines(tmp_path):
    assert read_lines(tmp_path / "absent") == []
