"""Mistyped configuration keys are refused with the nearest name."""

import json

import pytest

from shared.errors import ConfigError
from shared.workflow.keys import known_keys, refuse_unknown_keys


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
