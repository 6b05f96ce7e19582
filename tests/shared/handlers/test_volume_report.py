import csv
import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score

from shared.errors import ConfigError, DataError
from shared.handlers.volume_report import VolumeReport
from tests.support.predictions import CLASSES, draw_volume, evaluator_over

NAMES = ("teacher", "student")


def run(report, drawn, per_batch=4):
    engine, data = evaluator_over([pair for volume in drawn for pair in volume.pairs], per_batch)
    report.attach(engine)
    engine.run(data)
    return engine


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    drawn = [
        draw_volume("Cirrus/A", seed=1, predictions=NAMES),
        draw_volume("Cirrus/B", seed=2, predictions=NAMES, fluids=(1,), size=(3, 24, 20), error=0.0),
        draw_volume("Topcon/C", seed=3, predictions=NAMES, vendor="Topcon", fluids=(), error=0.0),
        draw_volume("Topcon/D", seed=4, predictions=NAMES, vendor="Topcon", size=(4, 30, 20)),
        draw_volume("Topcon/E", seed=5, predictions=NAMES, vendor="Topcon", labelled=False),
    ]
    fovea = folder / "fovea.csv"
    fovea.write_text("name,x_mm,slice\nCirrus/A,1.0,2.5\n")
    report = VolumeReport(
        [volume.item for volume in drawn],
        classes=CLASSES,
        output_dir=folder,
        split="test",
        deploy="teacher",
        fovea=fovea,
        samples=30,
        provenance={"phantom": True, "commit": "abc"},
        pictures=2,
    )
    engine = run(report, drawn)
    rows = {(row.prediction, row.subset, row.task, row.metric): row for row in report.rows}
    return SimpleNamespace(report=report, drawn=drawn, rows=rows, folder=folder, engine=engine)


def predicted(volume, name):
    return np.stack([output["pred"][name].argmax(0).numpy() for output, _ in volume.pairs])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fluid", [1, 2, 3])
def test_overlap_is_scikit_learns_over_whole_volumes(finished, name, fluid):
    dices, ious, differences = [], [], []
    for volume in finished.drawn[:4]:
        truth, found = (volume.truth_NHW == fluid).ravel(), (predicted(volume, name) == fluid).ravel()
        differences.append(abs(int(found.sum()) - int(truth.sum())) * 0.5 * 0.002 * 0.1)
        if truth.any() or found.any():
            dices.append(f1_score(truth, found))
            ious.append(jaccard_score(truth, found))
    own = {metric: finished.rows[name, "all", CLASSES[fluid - 1], metric] for metric in
           ("dice", "iou", "volume_difference_mm3")}  # fmt: skip
    assert own["dice"].value == pytest.approx(np.mean(dices))
    assert own["dice"].n == len(dices) < 4
    assert own["iou"].value == pytest.approx(np.mean(ious))
    assert own["volume_difference_mm3"].value == pytest.approx(np.mean(differences))
    assert own["volume_difference_mm3"].n == 4


def test_detection_uses_the_strongest_bscan(finished):
    scores = [
        max(float(output["pred"]["teacher"][2].mean()) for output, _ in volume.pairs) for volume in finished.drawn[:4]
    ]
    has = [bool((volume.truth_NHW == 2).any()) for volume in finished.drawn[:4]]
    assert finished.rows["teacher", "all", "SRF", "detection_auc"].value == pytest.approx(roc_auc_score(has, scores))


def test_around_the_fovea_by_a_plain_loop(finished):
    volume = finished.drawn[0]
    counted = np.zeros((3, 2), int)
    for index in range(6):
        for column in range(20):
            away = np.hypot((index - 2.5) * 0.5, column * 0.1 - 1.0)
            for circle, diameter in enumerate((1, 3, 6)):
                if away <= diameter / 2:
                    counted[circle, 0] += (volume.truth_NHW[index, :, column] == 1).sum()
                    counted[circle, 1] += (predicted(volume, "student")[index, :, column] == 1).sum()
    for circle, diameter in enumerate((1, 3, 6)):
        row = finished.rows["student", "all", "IRF", f"volume_difference_within_{diameter}mm_mm3"]
        assert row.value == pytest.approx(abs(counted[circle, 1] - counted[circle, 0]) * 1e-4)
        assert row.n == 1
    assert counted[0, 0] < counted[1, 0]


def test_files(finished):
    written = json.loads((finished.folder / "metrics.json").read_text())
    assert written["predictions"] == ["teacher", "student"]
    assert written["volumes"] == {"all": 4, "Cirrus": 2, "Topcon": 2}
    assert written["without_reference"] == ["Topcon/E"]
    assert written["bscans"] == 6 + 3 + 6 + 4
    assert "left out" in written["definitions"]["dice"]
    assert {row["metric"] for row in written["metrics"]} - {"volumes_with_fluid"} <= set(written["definitions"])
    table = list(csv.DictReader((finished.folder / "metrics.csv").open()))
    assert list(table[0]) == ["task", "metric", "value", "low", "high", "n", "subset", "prediction"]
    each = list(csv.DictReader((finished.folder / "per_volume.csv").open()))
    assert [(row["name"], row["prediction"]) for row in each[:3]] == [
        ("Cirrus/A", "teacher"),
        ("Cirrus/A", "student"),
        ("Cirrus/B", "teacher"),
    ]
    assert each[2]["SRF_dice"] == ""
    assert float(each[2]["IRF_dice"]) == 1
    assert float(each[0]["IRF_truth_mm3"]) == pytest.approx((finished.drawn[0].truth_NHW == 1).sum() * 1e-4)
    assert each[0]["IRF_truth_within_1mm_mm3"]
    assert each[2]["IRF_truth_within_1mm_mm3"] == ""
    names = {path.name for path in (finished.folder / "figures").iterdir()}
    assert {"dice.png", "volumes.png", "precision_recall.png"} < names
    assert len([name for name in names if name.startswith("bscan_")]) == 2


def test_numbers_for_tracking(finished):
    metrics = finished.engine.state.metrics
    assert metrics["dice_IRF"] == metrics["teacher_dice_IRF"]
    assert metrics["student_dice_mean"] == finished.rows["student", "all", "mean", "dice"].value
    assert all(np.isfinite(value) for value in metrics.values())


def test_the_printed_tables(finished, tmp_path, capsys):
    report = VolumeReport(
        [volume.item for volume in finished.drawn], classes=CLASSES, output_dir=tmp_path, split="test", figures=False
    )
    run(report, finished.drawn)
    printed = capsys.readouterr().out
    assert "split 'test', teacher" in printed
    assert "split 'test', student" in printed
    assert "PHANTOM" not in printed
    assert "1 volumes without reference were left out: Topcon/E" in printed
    assert "a false alarm counts 0" in printed
    assert not (tmp_path / "figures").exists()


def test_probabilities_are_restored_before_the_largest_is_taken(tmp_path):
    """A voxel's class comes from interpolated probabilities; interpolated class numbers would invent class 1."""
    drawn = draw_volume("Cirrus/A", size=(1, 8, 8), fluids=())
    output, batch = drawn.pairs[0]
    maps = torch.zeros(4, 2, 2)
    maps[0, :, 0] = maps[2, :, 1] = 1
    output["pred"] = maps
    batch["native_label"] = torch.zeros(1, 8, 8, dtype=torch.uint8)
    batch["native_label"][..., 4:] = 2
    report = VolumeReport([drawn.item], classes=CLASSES, output_dir=tmp_path, split="test", figures=False)
    run(report, [drawn])
    assert report.counts["pred"]["Cirrus/A"].confusion_KK.tolist() == np.diag([32, 0, 32, 0]).tolist()


def test_volumes_of_nominal_spacing_have_voxels_and_no_mm3(tmp_path, capsys):
    drawn = [draw_volume("Duke/A", physical=False), draw_volume("Duke/B", physical=False, seed=1)]
    report = VolumeReport([v.item for v in drawn], classes=CLASSES, output_dir=tmp_path, split="test", pictures=0)
    run(report, drawn)
    assert {row.metric for row in report.rows if "difference" in row.metric} == {"volume_difference_voxels"}
    assert "mm3" not in (tmp_path / "per_volume.csv").read_text().split("\n", 1)[0].replace("voxel_mm3", "")
    assert "No mm^3 for 2 of 2 volumes" in capsys.readouterr().out


def test_two_classes_and_one_bscan_and_nothing_to_find(tmp_path):
    drawn = draw_volume("Duke/A", size=(1, 8, 8), fluids=())
    drawn.pairs[0][0]["pred"] = torch.stack([torch.full((8, 8), 0.9), torch.full((8, 8), 0.1)])
    report = VolumeReport([drawn.item], classes=["fluid"], output_dir=tmp_path, split="test")
    engine = run(report, [drawn])
    rows = {row.metric: row for row in report.rows}
    assert "dice" not in rows
    assert rows["volume_difference_mm3"].value == 0
    assert "detection_auc_fluid" not in engine.state.metrics
    assert not list((tmp_path / "figures").glob("bscan_*"))


def broken(kind):
    drawn = draw_volume("Cirrus/A")
    if kind == "twice":
        drawn.pairs.insert(2, drawn.pairs[1])
    elif kind == "missing":
        drawn.pairs.pop()
    elif kind == "other volume":
        drawn.item["name"] = "Cirrus/B"
    elif kind == "classes":
        drawn.pairs[0][0]["pred"] = drawn.pairs[0][0]["pred"][:3]
    elif kind == "logits":
        drawn.pairs[0][0]["pred"] = drawn.pairs[0][0]["pred"] * 5
    elif kind == "nan":
        drawn.pairs[0][0]["pred"][0, 0, 0] = float("nan")
    elif kind == "label":
        drawn.pairs[0][1]["native_label"] = drawn.pairs[0][1]["native_label"][:, ::2]
    elif kind == "size":
        drawn.item["size"] = [24, 21]
    elif kind == "unlabelled":
        for _, batch in drawn.pairs:
            batch["labelled"] = torch.tensor(False)
    return drawn


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("twice", DataError, "B-scan 1 of Cirrus/A came twice"),
        ("missing", DataError, "5 of 6 B-scans of Cirrus/A"),
        ("other volume", ConfigError, "not among the 1 volumes"),
        ("classes", ConfigError, "has 3 classes"),
        ("logits", ConfigError, "ClassProbabilitiesd"),
        ("nan", ConfigError, "values nan"),
        ("label", ConfigError, "native: true"),
        ("size", DataError, r"size \(24, 20\), not \[24, 21\]"),
        ("unlabelled", DataError, "none of them with a reference"),
    ],
)
def test_bad_input(tmp_path, kind, error, message):
    drawn = broken(kind)
    report = VolumeReport([drawn.item], classes=CLASSES, output_dir=tmp_path, split="test", figures=False)
    with pytest.raises(error, match=message):
        run(report, [drawn])
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_number_of_bscans(tmp_path):
    peaks = []
    for count in (16, 16, 256):
        drawn = draw_volume("Cirrus/A", size=(2, 64, 64))
        report = VolumeReport(
            [drawn.item | {"num_slices": count}], classes=CLASSES, output_dir=tmp_path, split="test", pictures=1
        )
        tracemalloc.start()
        for index in range(count):
            output, batch = drawn.pairs[index % 2]
            engine = SimpleNamespace(state=SimpleNamespace(output=[output], batch=[batch | {"slice": index}]))
            report.collect(engine)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 8 * 64 * 64
