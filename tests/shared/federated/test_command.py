"""`python -m shared federate`: what it refuses before anything is loaded; federations run in `tests/e2e`."""

import sys

import pytest

from shared.errors import CheckpointError, ConfigError
from shared.federated.command import check_counts, checked_keys, federate, phantoms_of, site_data
from shared.federated.site import configuration_files
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES, read_config

BUNDLE = str(REPOSITORY / "bundles" / BUNDLES[0])


def test_a_number_of_sites_draws_different_phantoms_for_each():
    sites = site_data("3", phantoms={"number": 8, "seed": 5})
    assert [own["phantoms"]["seed"] for own in sites.values()] == [5, 6, 7]
    assert {own["dataset_dir"] for own in sites.values()} == {"phantoms"}
    assert all(own["phantoms"]["number"] == 8 for own in sites.values())


def test_folders_become_sites(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    sites = site_data(f"{tmp_path}/a,{tmp_path}/b", phantoms={})
    assert sites == {"site-1": {"dataset_dir": f"{tmp_path}/a"}, "site-2": {"dataset_dir": f"{tmp_path}/b"}}


@pytest.mark.parametrize(("text", "told"), [("0", "1 to 64"), ("", "nothing"), ("/no/such/a,/no/such/b", "no folder")])
def test_sites_that_make_no_sense_are_refused(text, told):
    with pytest.raises(ConfigError, match=told):
        site_data(text, phantoms={})


def test_one_folder_for_two_sites_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="given twice"):
        site_data(f"{tmp_path},{tmp_path}/../{tmp_path.name}", phantoms={})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"])
def test_counts_are_whole_numbers(value):
    with pytest.raises(ConfigError, match="--rounds is"):
        check_counts(rounds=value)


def test_keys_that_the_federation_sets_are_refused():
    with pytest.raises(ConfigError, match="dataset_dir, max_epochs"):
        checked_keys({"max_epochs": 3, "dataset_dir": "x", "seed": 1})
    with pytest.raises(ConfigError, match="--keys is"):
        checked_keys("seed")
    assert checked_keys(None) == {}


def test_phantoms_are_those_of_the_last_file_or_of_the_keys():
    assert phantoms_of([{"phantoms": {"seed": 1}}, {}, {"phantoms": {"seed": 2}}], {}) == {"seed": 2}
    assert phantoms_of([{"phantoms": {"seed": 1}}], {"phantoms": {"seed": 3}}) == {"seed": 3}


def test_a_folder_without_bundle_or_an_unknown_overlay_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.json does not exist"):
        federate(str(tmp_path))
    with pytest.raises(ConfigError, match=r"no_such\.json does not exist[\s\S]*quickstart"):
        federate(BUNDLE, overlays="no_such")


def test_a_model_that_is_not_there_or_not_nvflares_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model at"):
        federate(BUNDLE, collect=str(tmp_path / "absent.pt"), output_dir=str(tmp_path / "out"))
    pytest.importorskip("nvflare")
    (tmp_path / "other.pt").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"other\.pt cannot be read"):
        federate(BUNDLE, collect=str(tmp_path / "other.pt"), output_dir=str(tmp_path / "out"))


def test_without_nvflare_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nvflare.app_common.workflows.fedavg", None)
    with pytest.raises(ConfigError, match=r"monai-eye-bundles\[federated\]"):
        federate(BUNDLE, nvflare_job=str(tmp_path / "job"))


@pytest.mark.parametrize("bundle", BUNDLES)
def test_federated_handlers_are_those_of_training_that_neither_end_nor_publish_a_run(bundle):
    """One order and one content, so that a change of train.json is not forgotten here."""
    assert [file.stem for file in configuration_files(REPOSITORY / "bundles" / bundle)] == ["train", "federated"]
    ended = ("SaveBestModel", "RunCheckpoint", "TrackRun", "StopOnSignal", "ValidationHandler")

    def without(handler):
        return {key: value for key, value in handler.items() if key not in ("evaluator", "resume")}

    kept = [
        without(handler)
        for handler in read_config(bundle, "train")["train"]["handlers"]
        if not handler["_target_"].split(".")[-1].startswith((*ended, "Finish"))
    ]
    own = read_config(bundle, "federated")["train#handlers"]
    assert [without(handler) for handler in own] == kept
    assert all(handler.get("resume", "never") == "never" for handler in own)
