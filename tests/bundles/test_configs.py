"""Of every bundle: one fact, one place; where the format forbids it, the places are compared."""

import json
import re

import pytest
import torch

from tests.support.bundle import REPOSITORY, workflow
from tests.support.tiny import BUNDLES, TINY, only_accepted, overlays_of, read_config

HYPER_PARAMETERS = """dataset_dir output_dir device seed max_epochs batch_size image_size num_workers learning_rate
backbone pretrained amp"""
# What inference does otherwise than training, and says in its own way.
OWN = {"output_dir", "num_workers", "provenance", "network", "thresholds", "initialize", "run"}

pytestmark = pytest.mark.parametrize("bundle", BUNDLES)


def test_there_is_all_that_a_bundle_needs(bundle):
    root = REPOSITORY / "bundles" / bundle
    assert bundle in TINY
    for name in ("LICENSE", "docs/README.md", "docs/data_license.txt", "configs/logging.conf", "models/.gitkeep"):
        assert (root / name).is_file(), name
    for name in ("train", "evaluate", "inference", "quickstart", "as_published", "multi_gpu_train", "metadata"):
        assert read_config(bundle, name)
    first = BUNDLES[0]
    assert (root / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    logging_conf = (REPOSITORY / "bundles" / first / "configs" / "logging.conf").read_text()
    assert (root / "configs" / "logging.conf").read_text() == logging_conf


def test_hyper_parameters_are_top_level(bundle):
    train = read_config(bundle, "train")
    assert set(HYPER_PARAMETERS.split()) <= set(train)
    assert train["train"]["trainer"]["max_epochs"] == "@max_epochs"
    assert read_config(bundle, "quickstart").keys() <= train.keys()


def test_inference_repeats_training(bundle):
    train, inference = read_config(bundle, "train"), read_config(bundle, "inference")
    differing = {key for key in train.keys() & inference.keys() if train[key] != inference[key]}
    assert differing <= OWN
    settings = {"image_size", "backbone", "network_def", "settings", "phantoms", "experiment_name", "tracking_uri"}
    assert settings <= train.keys() & inference.keys() - differing


def test_evaluation_is_short_and_training_by_many_starts_as_by_one(bundle):
    train, many = read_config(bundle, "train"), read_config(bundle, "multi_gpu_train")
    evaluate = (REPOSITORY / "bundles" / bundle / "configs" / "evaluate.json").read_text()
    assert len(evaluate.splitlines()) < 80
    join = {"_target_": "shared.workflow.join_process_group"}
    assert [item for item in many["initialize"] if item != join] == train["initialize"]
    assert many["initialize"].index(join) == 1


def test_overlays_say_only_what_differs(bundle):
    train = read_config(bundle, "train")
    # A published or compared system is said in full, also where the default happens to be the same.
    full = ("as_published", "baseline_classifier", "baseline_deeplabv3plus")
    # Takes back what the quickstart, which it may follow, says of four classes.
    taken_back = {"duke": {"class_weights"}}
    for overlay in overlays_of(bundle):
        same = {key for key, value in read_config(bundle, overlay).items() if train.get(key) == value}
        assert overlay in full or same == taken_back.get(overlay, set()), (overlay, same)


def test_metadata(bundle, tiny_of, real_schema):
    """Versions are the pinned ones; the network takes and gives what is said; the schema is MONAI's."""
    metadata = read_config(bundle, "metadata")
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (REPOSITORY / "constraints.txt").read_text(), flags=re.M))
    versions = metadata["required_packages_version"] | {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
    }
    assert versions.items() <= pinned.items()
    assert metadata["version"] in metadata["changelog"]
    formats = metadata["network_data_format"]
    assert next(iter(formats["outputs"])) == "pred"
    keys = only_accepted(tiny_of(bundle), bundle, "inference") | {"dataset_dir": inferred(bundle, tiny_of)}
    keys |= {"num_experts": 3} if "num_experts" in keys else {}
    flow = workflow(bundle, "inference", workflow_type="infer", **keys)
    flow.initialize()
    network = flow.parser.get_parsed_content("network_def").eval()
    with torch.no_grad():
        given = network(torch.zeros(1, formats["inputs"]["image"]["num_channels"], 64, 96))
    given = given if isinstance(given, dict) else {"pred": given}
    assert given.keys() == formats["outputs"].keys()
    for name, output in formats["outputs"].items():
        shape = [64, 96] if output["spatial_shape"] == ["32*n", "32*n"] else output["spatial_shape"]
        assert list(given[name].shape) == [1, output["num_channels"], *shape]
        assert len(output.get("channel_def", given[name][0])) == output["num_channels"]
    if real_schema is not None:
        import jsonschema

        jsonschema.validate(metadata, json.loads(real_schema.read_text()))


def inferred(bundle, tiny_of):
    return f"{tiny_of(bundle)['dataset_dir']}/{TINY[bundle].inferred}"


@pytest.fixture(scope="module")
def real_schema():
    path = REPOSITORY.parent / "shared" / "data" / "schema" / "meta_schema_20240725.json"
    return path if path.is_file() else None


def test_properties_are_complete(bundle, tiny_of, tmp_path):
    """Of training, evaluation and inference, with every overlay."""
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "model.pt"
    combinations = [["train"], ["train", "evaluate"], ["inference"]]
    combinations += [[base, overlay] for overlay in overlays_of(bundle) for base in ("train", "inference")]
    for names in combinations:
        kind = "infer" if names[0] == "inference" else "train"
        keys = only_accepted(tiny_of(bundle, names[-1]), bundle, *names)
        keys.pop("labelled_fraction" if names[-1] == "duke" else "", None)
        if kind == "infer" and names[-1] != "duke":
            keys["dataset_dir"] = inferred(bundle, tiny_of)
        if "evaluate" in names:
            keys |= {"ckpt_path": str(model), "split": "validation"}
        flow = workflow(bundle, *names, workflow_type=kind, **keys)
        flow.initialize()
        assert flow.check_properties() == [], names
        if names == ["train"]:
            torch.save(flow.parser.get_parsed_content("network_def").state_dict(), model)
