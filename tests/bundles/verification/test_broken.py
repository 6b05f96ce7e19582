"""A bundle that is broken in one place is found out by the check of that place, and by its words."""

import json
import shutil

import pytest

from tests.support import verification as v
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES
from tests.support.verification import CHECKS


class Broken:
    """A copy of a bundle whose files a test changes."""

    def __init__(self, root):
        self.root = root

    def edit(self, name, change):
        """Apply a function to a configuration file's content."""
        path = self.root / "configs" / f"{name}.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content, indent=2) + "\n")

    def replace(self, file, old, new):
        """Replace text that must be there; whether it was."""
        path = self.root / file
        text = path.read_text()
        path.write_text(text.replace(old, new, 1))
        return old in text

    def drop(self, file):
        (self.root / file).unlink()


def channels(bundle):
    """Two channels exchanged."""

    def change(metadata):
        names = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        first, last = min(names), max(names)
        names[first], names[last] = names[last], names[first]
        change.done = first != last

    bundle.edit("metadata", change)
    return change.done


def count(bundle):
    def change(metadata):
        metadata["network_data_format"]["outputs"]["pred"]["num_channels"] += 1

    bundle.edit("metadata", change)


def classes(bundle):
    def change(config):
        change.done = [task.update(num_classes=9) for task in config.get("tasks", []) if task["kind"] == "grade"]

    bundle.edit("inference", change)
    return change.done


def setting(bundle, key, value, name="inference"):
    def change(config):
        change.done = key in config
        config[key] = value

    bundle.edit(name, change)
    return change.done


def normalisation(bundle):
    def change(config):
        items = [item for item in config["preprocessing"]["transforms"] if "subtrahend" in item or "a_max" in item]
        for item in items:
            item.update({"a_max": 256} if "a_max" in item else {"subtrahend": [1, 2, 3]})
        change.done = items

    bundle.edit("inference", change)
    return change.done


def network(bundle):
    bundle.edit("inference", lambda config: config["network_def"].update({"dropout": 0.1}))


def handlers(bundle):
    bundle.edit("inference", lambda config: config.update(handlers="$@handlers_of(@network)"))


def evaluated(bundle):
    """The report's threshold or classes are others than the writer's."""

    def change(config):
        for item in config["validate#handlers"]:
            if "split" in item:
                item["tasks" if "tasks" in item else "classes"] = ["other"]

    bundle.edit("evaluate", change)


def added(name, key, value):
    """A key more in a configuration file."""
    return lambda bundle: bundle.edit(name, lambda config: config.update({key: value}))


def unjoined(bundle):
    bundle.edit("multi_gpu_train", lambda config: config["initialize"].pop(1))


def repeated(bundle):
    train = json.loads((bundle.root / "configs" / "train.json").read_text())
    bundle.edit("quickstart", lambda config: config.update(seed=train["seed"]))


def twice(bundle):
    return bundle.replace("configs/train.json", '"seed": 0,', '"seed": 0, "seed": 1,')


def place(bundle):
    return bundle.replace("configs/train.json", '"dataset_dir": "phantoms"', '"dataset_dir": "/data/mine"')


BREAKS = {
    "channels exchanged": (channels, v.check_channels, "is not"),
    "another number of channels": (count, v.check_metadata, "pred"),
    "another number of classes": (classes, v.check_channels, ""),
    "no licence": (lambda bundle: bundle.drop("LICENSE"), v.check_files, "LICENSE"),
    "another licence": (lambda b: b.replace("LICENSE", "Apache", "Other"), v.check_licence, ""),
    "no columns declared": (lambda b: b.drop("scripts/measured.py"), v.check_files, "measured"),
    "no smallest run": (lambda bundle: bundle.drop("scripts/tiny.py"), v.check_files, "tiny"),
    "no chapter": (lambda b: b.replace("docs/README.md", "## Limitations", "## Limits"), v.check_files, "Limitations"),
    "another way to log": (
        lambda b: b.replace("configs/logging.conf", "INFO", "DEBUG"),
        v.check_configs_can_be_shared,
        "",
    ),
    "a key twice": (twice, v.check_configs_can_be_shared, "seed"),
    "a place of one computer": (place, v.check_configs_can_be_shared, "/data/mine"),
    "no run": (lambda b: b.edit("inference", lambda config: config.pop("run")), v.check_properties_exist, "run"),
    "not entered": (lambda b: b.edit("train", lambda c: c["initialize"].pop(0)), v.check_properties_exist, "otherwise"),
    "metadata in inference": (added("inference", "about", "@_meta_#name"), v.check_properties_exist, "MONAI Label"),
    "a key that nothing has": (added("quickstart", "epochs", 3), v.check_hyper_parameters, "epochs"),
    "handlers by expression": (handlers, v.check_handlers, "no list"),
    "a comprehension": (added("train", "sizes", "$[x for x in @channels]"), v.check_expressions, "comprehension"),
    "a lambda": (added("train", "scale", "$lambda x: x / 255"), v.check_expressions, "lambda"),
    "counted": (added("quickstart", "few", "$@train#handlers[:-2]"), v.check_expressions, "counts"),
    "an overlay that repeats": (repeated, v.check_overlays, "seed"),
    "processes that do not join": (unjoined, v.check_processes, "multi_gpu_train"),
    "a version that is not pinned": (added("metadata", "numpy_version", "9.9.9"), v.check_versions, "numpy"),
    "a version without its entry": (added("metadata", "version", "0.2.0"), v.check_metadata, "changelog"),
    "another schema": (added("metadata", "schema", "https://example.org"), v.check_metadata, ""),
    "another size": (lambda b: setting(b, "image_size", [32, 32]), v.check_inference_repeats_training, "image_size"),
    "another network": (network, v.check_inference_repeats_training, "network_def"),
    "another threshold": (
        lambda b: setting(b, "thresholds", {"MA": 0.5}),
        v.check_evaluation_shares_settings,
        "thresholds",
    ),
    "other components": (
        lambda b: setting(b, "keep_largest", False),
        v.check_evaluation_shares_settings,
        "keep_largest",
    ),
    "a report of others": (evaluated, v.check_evaluation_shares_settings, "writer"),
    "another normalisation": (normalisation, v.check_the_network_sees_alike, "has"),
}


def copy(bundle, folder):
    ignored = shutil.ignore_patterns("*.png", "*.pt", "__pycache__", ".mypy_cache")
    return Broken(shutil.copytree(REPOSITORY / "bundles" / bundle, folder / bundle, ignore=ignored))


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found_out(name, tmp_path):
    damage, check, words = BREAKS[name]
    found = 0
    for bundle in BUNDLES:
        broken = copy(bundle, tmp_path)
        check(broken.root)
        # A damage that says False had nothing to break in this bundle.
        if damage(broken) not in (False, []):
            with pytest.raises((AssertionError, KeyError), match=words):
                check(broken.root)
            found += 1
    assert found


def test_every_check_is_shown_to_find_something():
    assert {check for _, check, _ in BREAKS.values()} == set(CHECKS)
