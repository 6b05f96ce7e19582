"""Which bundles the page has, and which one reads a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.demo.library import Library, find_bundles
from shared.demo.uploads import BSCAN, FUNDUS, OCT, OTHER
from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES


def make_models(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "model.pt").touch()
    return folder


def test_all_bundles_are_found_with_what_they_read() -> None:
    bundles = find_bundles()
    assert [bundle.name for bundle in bundles] == BUNDLES
    assert {kind for bundle in bundles for kind in bundle.reads} == {FUNDUS, BSCAN, OCT, OTHER}
    assert all(bundle.title and bundle.task for bundle in bundles)
    path = REPOSITORY / "bundles" / BUNDLES[0]
    assert find_bundles([str(path)]) == find_bundles([BUNDLES[0]]) == bundles[:1]
    with pytest.raises(ConfigError, match="nonsense is no bundle"):
        find_bundles(["nonsense"])


@pytest.mark.parametrize("name", BUNDLES)
def test_every_sample_is_drawn_where_the_bundle_says(name: str) -> None:
    (bundle,) = find_bundles([name])
    assert bundle.samples.keys() >= {"phantoms", "file"}


def test_the_trained_bundle_that_reads_such_files_is_chosen(tmp_path: Path) -> None:
    everything = Library(find_bundles(models_dir=make_models(tmp_path / "all", *BUNDLES)))
    expected = {FUNDUS: "idrid_moe_mtl", OCT: "retouch_meanteacher", BSCAN: "retouch_meanteacher", OTHER: "pets_mtl"}
    assert {kind: everything.choose(kind).name for kind in expected} == expected
    assert everything.choose(FUNDUS, name="fundus_od_unet").name == "fundus_od_unet"
    with pytest.raises(DataError, match="read by others: OCT"):
        everything.choose(OCT, name="pets_mtl")
    some = Library(find_bundles(models_dir=make_models(tmp_path / "some", "fundus_od_unet")))
    assert some.choose(FUNDUS).name == "fundus_od_unet"
    with pytest.raises(CheckpointError, match="make train BUNDLE=retouch_meanteacher"):
        some.choose(OCT)
    with pytest.raises(DataError, match="no bundle on this page reads such a file: OCT"):
        Library(find_bundles(["pets_mtl"])).choose(OCT)
