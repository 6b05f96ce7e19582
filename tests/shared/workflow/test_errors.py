"""The cause is printed last, whatever wraps it."""

import subprocess
import sys

import pytest
import torch

from shared.errors import DataError
from shared.workflow.errors import root_cause


def wrapped() -> RuntimeError:
    try:
        try:
            raise DataError("no CSV", expected="a CSV", fix="copy it")
        except DataError as error:
            raise RuntimeError("Failed to instantiate component") from error
    except RuntimeError as error:
        return error


def test_root_cause_is_our_own_error_below_others():
    assert isinstance(root_cause(wrapped()), DataError)


def test_root_cause_of_a_foreign_chain_is_its_start():
    outer, inner = ValueError("b"), KeyError("a")
    outer.__cause__ = inner
    assert root_cause(outer) is inner


@pytest.mark.parametrize(
    ("raised", "last"), [("DataError('x', expected='y', fix='z')", "what to do: z"), ("1/0", "division by zero")]
)
def test_last_printed_line(raised, last):
    code = f"""
from shared.errors import DataError
from shared.workflow.errors import install_excepthook
install_excepthook()
try:
    {"raise " if "Error" in raised else ""}{raised}
except Exception as error:
    raise RuntimeError("Failed to instantiate") from error
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert last in done.stderr.strip().splitlines()[-1]


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise DataError("eye.jpg is half a file\nat byte 3", expected="a whole one", fix="copy it again")
        except DataError as error:
            raise RuntimeError("applying transform Load") from error


class Bare(Broken):
    def __getitem__(self, index):
        raise DataError("eye.jpg is half a file\nat byte 3", expected="a whole one", fix="copy it again")


@pytest.mark.parametrize("dataset", [Broken(), Bare()], ids=["wrapped", "bare"])
def test_an_error_in_a_worker_is_told_like_any_other(dataset):
    with pytest.raises(RuntimeError) as raised:
        next(iter(torch.utils.data.DataLoader(dataset, num_workers=1)))
    cause = root_cause(raised.value)
    assert type(cause) is DataError
    assert str(cause) == "eye.jpg is half a file\nat byte 3\n  expected: a whole one\n  what to do: copy it again"


def test_ctrl_c_is_one_word():
    code = """
import signal
from shared.workflow.errors import install_excepthook
install_excepthook()
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run(["bash", "-c", f"{sys.executable} -c '{code}'"], capture_output=True, text=True, timeout=120)
    assert done.returncode in (130, -2)
    assert done.stderr.strip() == "interrupted"


def test_errors_survive_a_process_boundary():
    import pickle

    error = pickle.loads(pickle.dumps(DataError("a", expected="b", fix="c")))
    assert isinstance(error, DataError)
    assert str(error) == "a\n  expected: b\n  what to do: c"
