"""The report on discs: means and intervals against plain loops, a row per data set, readers, what is missing."""

import csv
import json

import numpy as np
import pytest
import torch

from shared.errors import ConfigError, DataError
from shared.report.results import results
from tests.support.errors import fails_with

pytestmark = pytest.mark.usefixtures("fundus_scripts")
CLASSES = ["disc", "cup"]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def items(layouts):
    """RIM-ONE r3, 12 photographs of 6 persons, as evaluation loads them."""
    from scripts.data_sets import gather

    return loaded(gather({"test": of(layouts["rim_one_r3"])}, split="test", ckpt_path="model.pt", dataset_dir=""))


def of(folder):
    from scripts.datalist import make_datalist

    return [item for members in make_datalist(folder, protocol="seeded").values() for item in members]


def loaded(items):
    from scripts.load import LoadDiscd

    load = LoadDiscd((48, 48), CLASSES, native=True, partial=True)
    return [load(item) for item in items]


def shifted(item, by, *, classes=3):
    """Probabilities that put the truth ``by`` pixels too low."""
    label = torch.roll(item["native_label"][0], by, 0).long().clamp(max=classes - 1)
    return torch.nn.functional.one_hot(label, classes).permute(2, 0, 1).float()


@pytest.fixture
def report(items, layouts, tmp_path):
    """Of a model that is one pixel more wrong with every second photograph; in the sixth it finds no disc."""
    return reported(items, layouts, tmp_path, figures=False)


def reported(items, layouts, tmp_path, **arguments):
    from scripts.data_sets import reader_masks
    from scripts.report import DiscReport

    readers = reader_masks(layouts["rim_one_r3"])
    report = DiscReport(
        classes=CLASSES, output_dir=tmp_path / "out", split="test", readers=readers, samples=200, **arguments
    )
    for place, item in enumerate(items):
        maps = shifted(item, place // 2) if place != 5 else torch.stack([torch.ones(40, 60), *torch.zeros(2, 40, 60)])
        report.add({"pred": maps}, item)
    report.finish()
    return report


def rows_of(report, **wanted):
    return [row for row in report.rows if all(getattr(row, key) == value for key, value in wanted.items())]


def test_means_are_those_of_the_table_of_photographs(report, tmp_path):
    photographs = table(tmp_path / "out" / "per_photograph.csv")
    assert len(photographs) == 12
    for task, metric in (("disc", "dice"), ("disc", "hd95_px"), ("cup", "iou"), ("vertical_cup_to_disc", "error")):
        (row,) = rows_of(report, prediction="model", task=task, metric=metric)
        values = [float(line[f"{task}_{metric}"]) for line in photographs if line[f"{task}_{metric}"]]
        assert row.n == len(values) == (12 if metric in ("dice", "iou") else 11)
        assert row.value == pytest.approx(np.mean(values))
    assert photographs[5]["disc_dice"] == "0.0"
    assert photographs[5]["found_diameter_px"] == photographs[5]["disc_assd_px"] == ""
    assert {line["view"] for line in photographs} == {"left of two"}


def test_intervals_redraw_persons():
    """Two photographs of a person with one value each: as wide as of half as many photographs."""
    from scripts.report.rows import disc_rows
    from scripts.report.scored import Scored

    values = np.random.default_rng(3).uniform(0.5, 1, 12)
    scored = [
        Scored(f"{person}-{side}", "set", str(person), False, {"model": {("disc", "dice"): value}}, {}, None)
        for person, value in enumerate(values)
        for side in "LR"
    ]
    (row,) = disc_rows(scored, samples=2000, seed=0)
    rng = np.random.default_rng(7)
    by_person = [values[rng.integers(12, size=12)].mean() for _ in range(4000)]
    both = np.repeat(values, 2)
    by_photograph = [both[rng.integers(24, size=24)].mean() for _ in range(4000)]
    assert row.value == pytest.approx(values.mean())
    assert (row.low, row.high) == pytest.approx(np.quantile(by_person, [0.025, 0.975]), abs=0.01)
    assert row.high - row.low > 1.2 * np.subtract(*np.quantile(by_photograph, [0.975, 0.025]))


def test_readers_are_the_ceiling(report, tmp_path):
    comparisons = ["model", "model against expert1", "model against expert2", "expert1 against expert2"]
    assert [row.prediction for row in rows_of(report, task="disc", metric="dice")] == comparisons
    (row,) = rows_of(report, prediction="expert1 against expert2", task="disc", metric="iou")
    rows, columns = np.mgrid[:40, :60]
    areas = [(np.hypot(rows - 20, columns - 30) <= radius).sum() for radius in (11, 13)]
    assert row.value == pytest.approx(areas[0] / areas[1])
    lines = table(tmp_path / "out" / "per_reader.csv")
    assert len(lines) == 36
    assert {line["compared"] for line in lines} == set(comparisons[1:])


def test_files_pictures_and_notes(items, layouts, tmp_path, capsys):
    report = reported(items, layouts, tmp_path, pictures=2)
    out, printed = tmp_path / "out", capsys.readouterr().out
    content = json.loads((out / "metrics.json").read_text())
    assert content["photographs"] == {"rim_one_r3": 12}
    assert content["persons"] == {"rim_one_r3": 6}
    assert {row["metric"] for row in content["metrics"]} <= content["definitions"].keys()
    pictures = sorted(path.name for path in (out / "figures").iterdir())
    assert pictures[-2:] == ["dice.png", "size.png"]
    assert len(pictures) == 4
    assert "No disc was found in 1" in printed
    assert "12 stereo photographs: their left view" in printed
    assert "PHANTOM" not in printed
    assert "| disc | 12 |" in results(str(out))
    assert "HD95, disc diameters" in results(str(out))
    assert report.tracked()["dice_disc"] == rows_of(report, task="disc", metric="dice")[0].value


def test_one_row_for_every_data_set(layouts, tmp_path):
    """Of a source without cup masks only the disc is scored."""
    from scripts.data_sets import gather
    from scripts.report import DiscReport

    others = {"drishti": str(layouts["drishti"]), "drions": str(layouts["drions"])}
    own = {"test": of(layouts["rim_one_r3"])}
    gathered = gather(
        own, split="test", ckpt_path="model.pt", dataset_dir=layouts["rim_one_r3"], data_sets=others, classes=CLASSES
    )
    report = DiscReport(classes=CLASSES, output_dir=tmp_path / "out", split="test", samples=20, figures=False)
    for item in loaded(gathered):
        report.add({"pred": shifted(item, 1)}, item)
    report.finish()
    lines = {line["data_set"]: line for line in table(tmp_path / "out" / "data_sets.csv")}
    assert list(lines) == ["rim_one_r3", "drishti", "drions"]
    assert int(lines["drions"]["photographs"]) == len(of(layouts["drions"]))
    assert 0.7 < float(lines["drions"]["disc_dice"]) < 1
    assert lines["drions"]["cup_dice"] == lines["drions"]["vertical_cup_to_disc_error"] == ""
    assert 0.5 < float(lines["drishti"]["cup_dice"]) < 1
    assert "drishti_dice_disc" in report.tracked()


def test_one_person_gives_no_interval(items, tmp_path):
    from scripts.report import DiscReport

    report = DiscReport(classes=CLASSES, output_dir=tmp_path, split="test", figures=False)
    for item in items[:2]:
        report.add({"pred": shifted(item, 1)}, item)
    report.finish()
    assert items[0]["group"] == items[1]["group"]
    assert all(np.isnan([row.low, row.high]).all() for row in report.rows)


def test_phantoms_are_said_to_be_phantoms(items, tmp_path, capsys):
    from scripts.report import DiscReport

    plain = {key: value for key, value in items[0].items() if key not in ("data_set", "phantom")}
    report = DiscReport(classes=CLASSES, output_dir=tmp_path, split="test", provenance={"phantom": True}, figures=False)
    report.add({"pred": shifted(items[0], 0)}, plain)
    report.finish()
    assert "PHANTOM DATA: disc" in capsys.readouterr().out
    assert report.rows[0].subset == "phantoms"


def test_what_cannot_be_scored_says_why(items, tmp_path):
    from scripts.report import DiscReport

    report = DiscReport(classes=CLASSES, output_dir=tmp_path, split="test")
    unlabelled = {key: value for key, value in items[0].items() if key != "native_label"}
    report.add({"pred": shifted(items[0], 0)}, unlabelled)
    with fails_with(DataError, "no photograph with a mask"):
        report.finish()
    with fails_with(ConfigError, "RestorePhotographd"):
        report.add({"pred": shifted(items[0], 0)[:, ::2]}, items[0])
    with fails_with(ConfigError, "gives 2 classes"):
        report.add({"pred": shifted(items[0], 0, classes=2)}, items[0])
