"""Studies on Ray: refused plainly where it cannot be; tests with a real local instance are in `tests/e2e`."""

from __future__ import annotations

import sys

import pytest

from shared.errors import ConfigError
from shared.study.command import choose_executor
from shared.study.executor import LocalProcesses


def test_without_an_address_this_machine_runs() -> None:
    assert isinstance(choose_executor(1), LocalProcesses)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"monai-eye-bundles\[ray\]"):
        choose_executor(1, ray="auto")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_where_nothing_listens_is_refused_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match=rf"--ray {address}[\s\S]*ray start --head"):
        choose_executor(1, ray=address)
