"""Mistyped configuration keys are refused with the nearest name."""

import json

import pytest

from shared.errors import ConfigError
from shared.workflow.keys import check_overrides, effective_keys, known_keys, refuse_unknown_keys


def test_the_nearest_name_is_offered():
    with pytest.raises(ConfigError, match=r"--epochs: did you mean --max_epochs\?"):
        refuse_unknown_keys(["epochs", "seed"], known={"max_epochs", "seed", "device"})


def test_known_keys_pass_and_a_hopeless_one_is_still_named():
    refuse_unknown_keys(["seed"], known={"seed"})
    with pytest.raises(ConfigError, match="--zzzz") as error:
        refuse_unknown_keys(["zzzz"], known={"seed"})
    assert "did you mean" not in str(error.value)


def test_keys_come_from_every_file_but_the_metadata(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps({"seed": 0, "train#handlers": []}))
    (tmp_path / "evaluate.json").write_text(json.dumps({"+split": "test", "validate::dataset": {}}))
    (tmp_path / "metadata.json").write_text(json.dumps({"authors": ""}))
    assert {"seed", "train", "split", "validate"} <= known_keys(tmp_path)
    assert "authors" not in known_keys(tmp_path)


BASE = {"max_epochs": 5, "network": {"_target_": "Net", "width": "@width"}, "run": ["$@network"], "width": 3}
OVERLAY = {"width": "$@depth * 2", "depth": 2, "learning_rate": 0.1, "optimizer": {"lr": "@learning_rate"}}


def test_keys_of_an_overlay_count_where_the_base_uses_them():
    assert effective_keys([BASE, OVERLAY]) == {*BASE, "depth"}
    check_overrides({"depth": 3, "max_epochs": 1, "network#width": 4}, [BASE, OVERLAY], elsewhere={})


def test_a_key_of_another_file_is_said_to_have_no_effect():
    with pytest.raises(ConfigError, match=r"--split has no effect in this run \(it is a key of evaluate.json\)"):
        check_overrides({"split": "test"}, [BASE, OVERLAY], elsewhere={"evaluate.json": {"split"}})
    with pytest.raises(ConfigError, match="--learning_rate has no effect"):
        check_overrides({"learning_rate": 1.0}, [BASE, OVERLAY], elsewhere={"overlay.json": set(OVERLAY)})


def test_the_message_lists_values_not_sections():
    with pytest.raises(ConfigError) as error:
        check_overrides({"epochs": 5}, [BASE], elsewhere={})
    assert error.value.expected == "one of max_epochs, width"
    assert "did you mean --max_epochs?" in str(error.value)
