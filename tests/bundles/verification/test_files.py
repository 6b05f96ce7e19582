"""Of every bundle that lies in `bundles/`: its files say what is needed, and the same everywhere."""

import pytest

from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES
from tests.support.verification import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__.removeprefix("check_") for check in CHECKS])
@pytest.mark.parametrize("bundle", BUNDLES)
def test_files(bundle, check):
    check(REPOSITORY / "bundles" / bundle)
