"""Of every bundle: training, evaluation and inference as MONAI's workflows, its golden curve, several in a process."""

import inspect
import itertools
import json
import os
import sys
from pathlib import Path

import pytest
import torch

from tests.support.bundle import REPOSITORY, workflow
from tests.support.tiny import BUNDLES, TINY, only_accepted, overlays_of

EXACT = {"rel": 2e-3, "abs": 1e-4}


def go(bundle, *names, **overrides):
    """As the model zoo's tests: initialise, check the properties, run, finalise."""
    kind = "infer" if names[0] == "inference" else "train"
    metadata = str(REPOSITORY / "bundles" / bundle / "configs" / "metadata.json")
    flow = workflow(bundle, *names, workflow_type=kind, meta_file=metadata, **only_accepted(overrides, bundle, *names))
    flow.initialize()
    assert flow.check_properties() == [], names
    flow.run()
    flow.finalize()
    return flow


def inferred(bundle, tiny):
    return f"{tiny['dataset_dir']}/{TINY[bundle].inferred}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_train_evaluate_infer_and_the_golden_curve(bundle, tiny_of, store, tmp_path):
    """A change that moves the curve must say why in the CHANGELOG; EYE_BUNDLES_GOLDEN=1 writes it anew."""
    tiny = tiny_of(bundle) | {"tracking_uri": store}
    go(bundle, "train", **tiny | TINY[bundle].golden)
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    golden = REPOSITORY / "tests" / "golden" / f"{bundle}.json"
    if os.environ.get("EYE_BUNDLES_GOLDEN"):
        golden.write_text(json.dumps(rows, indent=1) + "\n")
    assert golden.is_file(), (
        f"no golden curve: EYE_BUNDLES_GOLDEN=1 make test ARGS='-k \"golden and {bundle}\"' makes it"
    )
    for row, expected in zip(rows, json.loads(golden.read_text()), strict=True):
        losses = {name: value for name, value in expected.items() if name.startswith(("loss", "epoch"))}
        assert len(losses) > 1
        assert {name: row[name] for name in losses} == pytest.approx(losses, **EXACT)

    weights = tmp_path / "models" / "model.pt"
    state = torch.load(weights, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values()), "a plain state dict, as the zoo wants it"
    later = {"ckpt_path": str(weights), "bootstrap_samples": 0, "split": "validation"}
    go(bundle, "train", "evaluate", **tiny | later | {"output_dir": str(tmp_path / "evaluation")})
    assert json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["split"] == "validation"
    own = {"dataset_dir": inferred(bundle, tiny), "output_dir": str(tmp_path / "findings")}
    flow = go(bundle, "inference", **tiny | later | own)
    network = flow.parser.get_parsed_content("network_def")
    assert all(torch.equal(value.cpu(), state[name]) for name, value in network.state_dict().items())
    written = {path.name for path in (tmp_path / "findings").rglob("*")}
    assert {"summary.csv", "run.json", "config.json"} <= written


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_properties_are_complete_with_every_overlay(bundle, tiny_of, tmp_path):
    """Of training, evaluation and inference."""
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "model.pt"
    combinations = [["train"], ["train", "evaluate"], ["inference"]]
    combinations += [[base, overlay] for overlay in overlays_of(bundle) for base in ("train", "inference")]
    for names in combinations:
        kind = "infer" if names[0] == "inference" else "train"
        keys = only_accepted(tiny_of(bundle, names[-1]), bundle, *names)
        keys.pop("labelled_fraction" if names[-1] == "duke" else "", None)
        if kind == "infer" and names[-1] != "duke":
            keys["dataset_dir"] = inferred(bundle, tiny_of(bundle))
        if "evaluate" in names:
            keys |= {"ckpt_path": str(model), "split": "validation"}
        flow = workflow(bundle, *names, workflow_type=kind, **keys)
        flow.initialize()
        assert flow.check_properties() == [], names
        if names == ["train"]:
            torch.save(flow.parser.get_parsed_content("network_def").state_dict(), model)


def all_pairs(names):
    """A walk in which every name follows every other once (an Eulerian circuit of the complete directed graph)."""
    steps = set(itertools.permutations(names, 2))
    walk, stack = [], [names[0]]
    while stack:
        further = sorted(step for step in steps if step[0] == stack[-1])
        if further:
            steps.discard(further[0])
            stack.append(further[0][1])
        else:
            walk.append(stack.pop())
    return walk[::-1]


def own_parts(flow):
    """Files of the classes, among handlers and transforms, that are the bundle's scripts."""
    get = flow.parser.get_parsed_content
    parts = [*get("handlers"), *get("preprocessing").transforms, *get("postprocessing").transforms]
    own = [type(part) for part in parts if type(part).__module__.split(".")[0] == "scripts"]
    return {Path(inspect.getfile(kind)).resolve() for kind in own}


@pytest.mark.timeout(600)
def test_bundles_follow_each_other_in_one_process(tiny_of):
    """Every ordered pair: `scripts` is the module of the bundle that is run, and the network is its own."""
    walk = all_pairs(BUNDLES)
    assert len(walk) == len(BUNDLES) * (len(BUNDLES) - 1) + 1
    shapes = {}
    for bundle in walk:
        tiny = tiny_of(bundle)
        keys = only_accepted(tiny, bundle, "inference") | {"dataset_dir": inferred(bundle, tiny)}
        flow = workflow(bundle, "inference", workflow_type="infer", **keys)
        flow.initialize()
        root = (REPOSITORY / "bundles" / bundle).resolve()
        assert all(file.is_relative_to(root) for file in own_parts(flow))
        assert Path(next(iter(sys.modules["scripts"].__path__))).resolve() == root / "scripts"
        network = flow.parser.get_parsed_content("network_def")
        found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        assert shapes.setdefault(bundle, found) == found
