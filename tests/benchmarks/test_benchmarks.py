"""The benchmarks at toy size: what they claim to compare is equal, and counts what ran. No test looks at a time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import cases, table
from benchmarks.__main__ import choose, main
from benchmarks.cases import Agreement, Case, Options, all_cases, equal_arrays, relative_error, same_canvas
from benchmarks.loader import LoaderWork
from benchmarks.measure import Row, measure
from benchmarks.network import NetworkWork, start
from benchmarks.pets_loader import PetsLoaderWork
from benchmarks.photographs import find_items
from benchmarks.reference import ReferenceNetwork
from benchmarks.semi_supervised import SemiSupervisedWork
from benchmarks.work import Side, forget_peak, peak_mib
from shared.tasks import parse_tasks
from tests.references import moe_loop

TOY = Options(
    size=(64, 96),
    backbone="resnet18",
    dataset_dir="phantoms",
    photo_size=(356, 536),
    canvas=(128, 160),
    device="cpu",
    scan_size=(64, 32),
    pets_dir="phantoms",
    num_pets=8,
)
CASES = all_cases(TOY)
PARTS_OF_OTHERS = ("segmentation batch", "classification batch", "all labels, 1 of", "all labels, 3 of")
NETWORKS = [
    case
    for case in CASES
    if case.group in ("sparse", "training", "inference") and not any(part in case.name for part in PARTS_OF_OTHERS)
]


def build(side: Side | None) -> Any:
    assert side is not None
    return side.build(**side.options)


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: f"{case.group}, {case.name}")
def test_both_designs_give_equal_results_and_run_as_many_experts_as_stated(case: Case) -> None:
    reference, ours = build(case.reference), build(case.ours)
    assert case.agree is not None
    for exact in (True, False):
        found = case.agree(ours.result(exact=exact), reference.result(exact=exact), exact)
        assert found.within, found.text
    experts = case.ours.options["experts"]
    assert reference.facts()["experts"] == 3
    assert ours.facts()["experts"] == (3 if experts == "gate" else float(experts))


def test_a_training_step_moves_the_weights() -> None:
    options = {"experts": "gate", "batches": ("segmentation",), "size": (64, 96), "batch": 2, "backbone": "resnet18"}
    moved = []
    for design in ("reference", "ours"):
        work = NetworkWork(design=design, amp=False, **options)
        before = work.network.aspp.project[0].weight.detach().clone()
        work.once()
        moved.append(work.network.aspp.project[0].weight.detach() - before)
    assert all(float(change.abs().max()) > 1e-5 for change in moved)


def test_a_network_with_other_weights_is_not_equal() -> None:
    options = {"experts": "3", "size": (64, 96), "batch": 2, "backbone": "resnet18"}
    ours, other = (NetworkWork(design="ours", seed=seed, **options).result(exact=True) for seed in (0, 1))
    assert not relative_error(ours, other, True).within
    assert not relative_error({"RG": other["RG"]}, other, True).within


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.group == "semi_supervised"], ids=lambda case: case.name
)
def test_both_semi_supervised_steps_give_equal_results(case: Case) -> None:
    assert case.reference is not None
    small = {"backbone": "resnet10_narrow"}
    reference, ours = (side.build(**side.options | small) for side in (case.reference, case.ours))
    assert case.agree is not None
    for exact in (True, False):
        found = case.agree(ours.result(exact=exact), reference.result(exact=exact), exact)
        assert found.within, found.text
    assert {"step loss supervised", "step loss consistency", "step loss total"} < ours.result(exact=True).keys()
    for work in (reference, ours):
        before = [network.segmentation_head[0].weight.detach().clone() for network in (work.student, work.teacher)]
        assert work.facts()["data"].startswith("5 + 1 B-scans 32x64")
        after = [network.segmentation_head[0].weight.detach() for network in (work.student, work.teacher)]
        assert not any(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert next(reference.teacher.parameters()).requires_grad == ("without gradients" not in case.name)
    assert not next(ours.teacher.parameters()).requires_grad


def test_a_step_without_consistency_is_not_equal() -> None:
    options = {"size": (64, 32), "backbone": "resnet10_narrow", "amp": False}
    reference, ours = (SemiSupervisedWork(design=design, **options) for design in ("reference", "ours"))
    assert relative_error(ours.result(exact=True), reference.result(exact=True), True).within
    ours.trainer.method.consistency_weight = 0.0
    assert not relative_error(ours.result(exact=True), reference.result(exact=True), True).within


@pytest.mark.parametrize("p", [0.3, 0.75, 1.2, 9.0])
def test_the_reference_selects_as_the_loop_does(p: float) -> None:
    torch.manual_seed(0)
    tasks = parse_tasks([{"name": "RG", "kind": "grade", "num_classes": 5}])
    network = ReferenceNetwork(tasks=tasks, backbone="resnet18", eval_top_p=p).eval()
    logits_BTE = torch.randn(8, 1, 3)
    with torch.no_grad():
        weights_BTE = network(torch.randn(8, 3, 64, 64), ("grade",), logits_BTE)["gate_weights"]
    for weights_E, scores_E in zip(weights_BTE[:, 0], torch.sigmoid(logits_BTE[:, 0]), strict=True):
        taken = moe_loop.select(scores_E.tolist(), rule="top_p", p=p)
        expected_E = torch.zeros(3)
        expected_E[taken] = scores_E[taken] / scores_E[taken].sum()
        torch.testing.assert_close(weights_E, expected_E)


def test_the_reference_has_the_published_number_of_parameters() -> None:
    tasks = parse_tasks(NetworkWork(design="ours", experts="1", size=(32, 32), batch=2, backbone="resnet18").tasks)
    with torch.device("meta"):
        network = ReferenceNetwork(tasks=tasks, backbone="resnet50")
    assert sum(parameter.numel() for parameter in network.parameters()) == 42_372_668


def test_the_reference_takes_our_weights_strictly() -> None:
    tasks = parse_tasks([{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "MA", "kind": "mask"}])
    state = start(tasks, backbone="resnet18", dispatch="sparse", seed=0).state_dict()
    network = ReferenceNetwork(tasks=tasks, backbone="resnet18")
    network.load_ours(state)
    torch.testing.assert_close(
        network.masks["MA"].experts[2].merge.weight, state["masks.MA.dispatch.experts.2.decoder.merge.weight"]
    )
    state.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_ours(state)


@pytest.mark.parametrize("case", [case for case in CASES if case.group == "loader"], ids=lambda case: case.name)
def test_the_loader_gives_what_decoding_at_full_size_gives(case: Case) -> None:
    reference, ours = build(case.reference), build(case.ours)
    found = same_canvas(ours.result(exact=True), reference.result(exact=True), True)
    assert found.within, found.text
    assert "4 phantoms, 536x356" in ours.facts()["data"]


@pytest.mark.real
def test_the_loader_on_real_photographs(real_idrid: Path) -> None:
    items, source = find_items(str(real_idrid), number=1)
    assert source == "photographs of IDRiD"
    assert all(items[0]["mask_paths"])
    canvas = {"image_size": (712, 1072), "crop": "none"}
    full, ours = (
        LoaderWork(way=way, canvas=canvas, dataset_dir=str(real_idrid), number=1) for way in ("full", "first")
    )
    found = same_canvas(ours.result(exact=True), full.result(exact=True), True)
    assert found.within, found.text
    assert "4288x2848" in ours.facts()["data"]


@pytest.mark.parametrize("case", [case for case in CASES if case.group == "pets_loader"], ids=lambda case: case.name)
def test_every_way_to_load_a_pet_gives_the_same_arrays(case: Case) -> None:
    reference, ours = build(case.reference), build(case.ours)
    found = equal_arrays(ours.result(exact=True), reference.result(exact=True), True)
    assert found.within, found.text
    assert ours.facts() == {"data": "8 phantoms of pets, 256x256"}
    shapes = {name.split()[0]: value.shape for name, value in reference.result(exact=True).items()}
    assert shapes == {"image": (3, 256, 256), "masks": (1, 256, 256), "box": (4,), "grades": (1,)}


def test_hdf5_is_opened_four_times_for_every_pet_or_never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    works = {way: PetsLoaderWork(way=way, dataset_dir="phantoms", number=8) for way in ("mapped", "hdf5", "hdf5_kept")}
    opened: list[object] = []
    real = h5py.File
    monkeypatch.setattr(h5py, "File", lambda *given: opened.append(given) or real(*given))
    counts = {}
    for way, work in works.items():
        opened.clear()
        work.once()
        counts[way] = len(opened)
    assert counts == {"mapped": 0, "hdf5": 4 * 8, "hdf5_kept": 0}


def test_arrays_that_differ_are_named() -> None:
    one = {"image 0": np.zeros(3, np.uint8), "box 0": np.zeros(4, np.float32)}
    assert equal_arrays(one, one, True).within
    assert equal_arrays(one, one | {"box 0": np.zeros(4)}, True).text == "1 of 2 arrays differ: box 0"
    assert not equal_arrays(one, one | {"image 0": np.ones(3, np.uint8)}, True).within
    assert not equal_arrays(one, {"image 0": one["image 0"]}, True).within


@pytest.mark.parametrize("case", [case for case in CASES if case.group == "latency"][:2], ids=lambda case: case.name)
def test_latency_runs_from_file_to_files(case: Case) -> None:
    work = build(case.ours)
    facts = work.facts()
    assert sum(facts["shares"].values()) == pytest.approx(1)
    assert ("1 windows" in facts["data"]) == ("whole" in case.name)
    assert len(list(Path(work.folder.name).rglob("*.png"))) == 5
    shares = [
        share
        for share, threshold in zip(work.run(write=False)["pred"], work.thresholds.values(), strict=True)
        if (share > threshold).any()
    ]
    assert len(shares) == 5


def test_masks_that_differ_are_not_equal() -> None:
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, :2] = 1
    reference = {"image 0": np.zeros((3, 4, 4), np.uint8), "masks 0": masks}
    assert same_canvas(reference, reference, True).within
    assert not same_canvas(reference | {"masks 0": 1 - masks}, reference, True).within
    assert not same_canvas(reference | {"image 0": reference["image 0"] + 9}, reference, True).within


def test_the_table_says_missed_and_not_equal() -> None:
    case = Case("inference", "x", None, CASES[0].ours, aim=4.0)
    row = Row(case, ([3.0, 30.0, 3.0], [1.0, 10.0, 1.0]), (200.0, 100.0), agreement="output 1e+00", equal=False)
    line = table.markdown([row]).splitlines()[-1]
    assert "3.00x | 4x missed | 200 / 100" in line
    assert "NOT EQUAL" in line
    assert "4x met" in table.markdown([Row(case, ([5.0], [1.0]), (2.0, 1.0))])


def test_peaks_can_be_set_back() -> None:
    before = peak_mib()
    block = np.ones(40 * 2**20, np.uint8)
    raised = peak_mib()
    del block
    forget_peak()
    assert raised >= before
    assert 0 < peak_mib() <= raised


class Failing:
    """A work that cannot be built."""

    def __init__(self) -> None:
        raise ValueError("no such thing")


def test_a_failure_in_the_measured_process_is_raised_here() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        measure(Case("sparse", "x", None, Side(Failing, {})), repeats=1)


def test_one_command_prints_a_table_and_writes_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.csv"
    toy = ["--size", "64x96", "--backbone", "resnet18", "--repeats", "2", "--threads", "1", "--csv", str(file)]
    assert main([*toy, "--rows", "sparse: inference, 1.5"]) == 0
    printed = capsys.readouterr().out
    assert "| sparse: inference, 1.5 of 3 experts | 3.00 / 1.50 |" in printed
    comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert {line[2:].split(":")[0] for line in comments} >= {
        "hardware",
        "cores",
        "versions",
        "commit",
        "date",
        "options",
    }
    rows = list(csv.DictReader(line for line in file.read_text().splitlines() if not line.startswith("#")))
    assert [(row["experts_reference"], row["experts_ours"], row["repeats"]) for row in rows] == [
        ("3.000", "1.500", "2")
    ] * len(rows)
    assert all(float(row["ours_peak_mib"]) > 50 for row in rows)


@pytest.mark.parametrize("arguments", [["--rows", "nothing"], ["--batch", "1"], ["--sise", "3x4"], ["--size", "3"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_rows_are_chosen_by_group_or_by_words() -> None:
    assert {case.group for case in choose(CASES, ["training", "loader"])} == {"training", "loader"}
    assert [case.name for case in choose(CASES, ["fov_diameter"])] == [
        "windows, high_resolution.json at fov_diameter 3400"
    ]
    assert {case.group for case in CASES} == set(cases.GROUPS)
    assert Agreement("", True).within
