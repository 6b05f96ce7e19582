"""Files are written completely or not at all."""

import errno
import os
import resource
import stat

import pytest
import torch

from shared.errors import DataError
from shared.files import atomic_write, check_writable, save_tensors, write_text


def test_content_and_new_folder(tmp_path):
    path = write_text(tmp_path / "new" / "a.txt", "é")
    assert path.read_text() == "é"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_an_interrupted_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.fixture
def small_disk():
    """No file of this process may grow beyond 20 kB: the system answers as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path, small_disk):
    path = save_tensors(tmp_path / "c.pt", {"a": torch.ones(10)})
    with pytest.raises(DataError, match=r"cannot write .*c\.pt: \[Errno 27\] File too large"):
        save_tensors(path, {"a": torch.ones(100_000)})
    assert torch.equal(torch.load(path, weights_only=True)["a"], torch.ones(10))
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="--output_dir"):
        write_text(tmp_path / "taken" / "a.txt", "x")


def test_the_caller_names_the_key_and_the_system_its_reason(tmp_path):
    def fill(file):
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            raise RuntimeError("unexpected pos 640 vs 534")  # noqa: B904  (as PyTorch's writer does)

    with pytest.raises(DataError, match=r"No space left on device[^!]*--models_dir"):
        atomic_write(tmp_path / "a", fill, fix="give another --models_dir")
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="cannot write into"):
        check_writable(tmp_path / "taken")


def test_other_errors_pass_unchanged(tmp_path):
    def fail(file):
        raise RuntimeError("not about the disk")

    with pytest.raises(RuntimeError, match="not about the disk"):
        atomic_write(tmp_path / "a", fail)
