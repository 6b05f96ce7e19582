import csv
import json
import tracemalloc
from types import SimpleNamespace

import itk
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import ConfigError, DataError
from shared.handlers.volume_writer import VolumeWriter
from tests.support.predictions import CLASSES, draw_volume, evaluator_over
from tests.support.volumes import write_mhd

SPACING = (0.047244, 0.00196, 0.01171875)


def example(folder, name="Cirrus/A", *, spacing=SPACING, origin=(1.25, -2.5, 3), **arguments):
    drawn = draw_volume(name, **arguments)
    pixels = np.random.default_rng(0).integers(0, 255, drawn.truth_NHW.shape).astype(np.uint8)
    path = write_mhd(folder / name / "oct.mhd", pixels, spacing=spacing, origin=origin)
    drawn.item |= {"image": str(path), "spacing": list(spacing)}
    drawn.predicted_NHW = np.stack([output["pred"].argmax(0).numpy() for output, _ in drawn.pairs])
    return drawn


def run(writer, drawn, per_batch=4, fail_at=None):
    engine, data = evaluator_over([pair for volume in drawn for pair in volume.pairs], per_batch)
    if fail_at is not None:
        data.insert(fail_at, [10_000])
    writer.attach(engine)
    engine.run(data)
    return engine


def writer_for(drawn, folder, pictures=False, **arguments):
    items = [volume.item for volume in drawn]
    return VolumeWriter(items, classes=CLASSES, output_dir=folder, pictures=pictures, **arguments)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    drawn = [
        example(folder, "Cirrus/A", size=(6, 24, 20)),
        example(folder, "Topcon/A", size=(3, 30, 25), seed=2, fluids=(1,), error=0),
    ]
    writer = writer_for(
        drawn, folder / "out", pictures=True, formats=[".mha", ".mhd", ".nii.gz"], provenance={"commit": "abc"}
    )
    engine = run(writer, drawn)
    return SimpleNamespace(drawn=drawn, folder=folder / "out", engine=engine, writer=writer)


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nii.gz"])
@pytest.mark.parametrize("number", [0, 1])
def test_labels_have_the_geometry_of_the_input(written, suffix, number):
    drawn = written.drawn[number]
    name = drawn.item["name"].replace("/", "_")
    given = itk.imread(drawn.item["image"])
    image = itk.imread(str(written.folder / f"volumes/{name}{suffix}"))
    np.testing.assert_array_equal(itk.array_from_image(image), drawn.predicted_NHW)
    single = np.float32 if suffix == ".nii.gz" else np.float64
    assert tuple(itk.spacing(image)) == tuple(float(single(value)) for value in itk.spacing(given))
    assert tuple(itk.origin(image)) == tuple(float(single(value)) for value in itk.origin(given))
    np.testing.assert_array_equal(
        itk.array_from_matrix(image.GetDirection()), itk.array_from_matrix(given.GetDirection())
    )
    if suffix == ".nii.gz":
        loaded = nibabel.load(written.folder / f"volumes/{name}{suffix}")
        np.testing.assert_array_equal(np.asarray(loaded.dataobj).T, drawn.predicted_NHW)
        np.testing.assert_array_equal(loaded.header.get_zooms(), np.float32(SPACING[::-1]))


def test_fluid_volumes_by_hand(written):
    found = json.loads((written.folder / "json/Cirrus_A.json").read_text())
    labels = written.drawn[0].predicted_NHW
    for number, fluid in enumerate(CLASSES, start=1):
        own = labels == number
        entry = found["fluids"][fluid]
        assert entry["voxels"] == own.sum()
        assert entry["volume_mm3"] == pytest.approx(own.sum() * np.prod(SPACING), abs=1e-6)
        assert entry["bscans"] == own.any((1, 2)).sum()
        assert entry["voxels_by_bscan"] == own.sum((1, 2)).tolist()
        assert entry["bscan_with_most"] == own.sum((1, 2)).argmax()
        assert entry["voxels_in_central_bscan"] == own[3].sum()
        assert entry["max_thickness_um"] == pytest.approx(own.sum(1).max() * 1.96, abs=1e-3)
    assert found["size"] == [6, 24, 20]
    assert found["spacing_zyx_mm"] == list(SPACING)
    assert found["provenance"] == {"commit": "abc"}
    assert all((written.folder / file).is_file() for file in found["files"].values())
    absent = json.loads((written.folder / "json/Topcon_A.json").read_text())["fluids"]["PED"]
    assert absent["voxels"] == absent["volume_mm3"] == absent["bscans"] == 0
    assert absent["bscan_with_most"] is None


def test_thickness_map_as_table_and_picture(written):
    table = list(csv.reader((written.folder / "thickness/Cirrus_A_SRF.csv").open()))
    assert table[0] == ["bscan", *map(str, range(20))]
    values = np.array(table[1:], float)
    np.testing.assert_array_equal(values[:, 0], range(6))
    expected = (written.drawn[0].predicted_NHW == 2).sum(1) * 1.96
    np.testing.assert_allclose(values[:, 1:], expected, rtol=1e-5)
    picture = np.asarray(Image.open(written.folder / "thickness/Cirrus_A_SRF.png").convert("RGB"))
    assert picture.max(-1).min() < 40


def test_summary_and_numbers_for_tracking(written):
    rows = list(csv.DictReader((written.folder / "summary.csv").open()))
    assert [row["name"] for row in rows] == ["Cirrus_A", "Topcon_A"]
    assert float(rows[1]["IRF_voxels"]) == (written.drawn[1].truth_NHW == 1).sum()
    assert written.engine.state.metrics["volumes_read"] == 2
    assert written.engine.state.metrics["seconds_per_bscan"] > 0


def test_nothing_in_mm_where_spacing_is_nominal(tmp_path, capsys):
    drawn = example(tmp_path, physical=False, fluids=(1,), error=0)
    run(writer_for([drawn], tmp_path / "out"), [drawn])
    text = (tmp_path / "out/json/Cirrus_A.json").read_text()
    found = json.loads(text)
    assert found["fluids"]["IRF"]["volume_mm3"] is None
    assert found["spacing_zyx_mm"] is None
    assert found["fluids"]["IRF"]["max_thickness_pixels"] == 3
    printed = capsys.readouterr().out
    assert f"{(drawn.truth_NHW == 1).sum()} voxels in 4 B-scans" in printed
    assert "not found" in printed
    assert "mm" not in printed.replace("summary", "").split("inference")[0]


def test_probabilities_are_restored_bilinearly_and_no_class_is_invented(tmp_path):
    drawn = example(tmp_path, size=(1, 12, 12), fluids=())
    maps = torch.zeros(4, 3, 3)
    maps[0, :, :2] = maps[3, :, 2:] = 1
    drawn.pairs[0][0]["pred"] = maps
    run(writer_for([drawn], tmp_path / "out"), [drawn])
    labels = itk.array_from_image(itk.imread(str(tmp_path / "out/volumes/Cirrus_A.mha")))
    assert np.unique(labels).tolist() == [0, 3]
    assert (labels[0, :, 8:] == 3).all()


def test_one_of_several_predictions(tmp_path):
    drawn = example(tmp_path)
    for output, _ in drawn.pairs:
        output["pred"] = {"student": output["pred"].flip(0), "teacher": output["pred"]}
    run(writer_for([drawn], tmp_path / "out", prediction="teacher"), [drawn])
    labels = itk.array_from_image(itk.imread(str(tmp_path / "out/volumes/Cirrus_A.mha")))
    np.testing.assert_array_equal(labels, drawn.predicted_NHW)
    with pytest.raises(ConfigError, match="one of student, teacher"):
        run(writer_for([drawn], tmp_path / "other"), [drawn])


def test_same_name_of_two_inputs_and_a_repeated_run(tmp_path):
    first, second = example(tmp_path / "x", "A B"), example(tmp_path / "y", "A_B", seed=3)
    run(writer_for([first, second], tmp_path / "out"), [first, second])
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len([path for path in files if path.suffix == ".json"]) == 2
    again = writer_for([first, second], tmp_path / "out")
    assert again.is_done(first.item["image"])
    assert not again.is_done(tmp_path / "z")
    run(again, [second, first])
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == files


def test_results_of_another_model_are_not_mixed_in(tmp_path):
    first, second = example(tmp_path, "A"), example(tmp_path, "B")
    run(writer_for([first], tmp_path / "out", provenance={"checkpoint": "one"}), [first])
    run(writer_for([second], tmp_path / "out", provenance={"checkpoint": "one"}), [second])
    assert len(list(csv.DictReader((tmp_path / "out/summary.csv").open()))) == 2
    with pytest.raises(ConfigError, match="another model"):
        writer_for([second], tmp_path / "out", provenance={"checkpoint": "two"})


@pytest.mark.parametrize("kind", ["out of order", "missing", "size", "classes", "other volume", "broken"])
def test_bad_input_leaves_whole_volumes_only(tmp_path, kind):
    good, bad = example(tmp_path, "A"), example(tmp_path, "B")
    error, message, fail_at = DataError, "", None
    if kind == "out of order":
        bad.pairs[1], bad.pairs[2] = bad.pairs[2], bad.pairs[1]
        message = r"B-scan 2 of B came"
    elif kind == "missing":
        bad.pairs.pop()
        message = "5 of 6 B-scans of B"
    elif kind == "size":
        bad.pairs[3][1]["native_size"] = torch.tensor([24, 21])
        message = r"of size \(24, 21\)"
    elif kind == "classes":
        bad.pairs[3][0]["pred"] = bad.pairs[3][0]["pred"][:2]
        error, message = ConfigError, "has 2 classes"
    elif kind == "other volume":
        bad.pairs[3][1]["volume"] = "C"
        message = "3 of 6 B-scans of B"
    else:
        error, message, fail_at = IndexError, "", 2
    with pytest.raises(error, match=message):
        run(writer_for([good, bad], tmp_path / "out"), [good, bad], fail_at=fail_at)
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not [name for name in left if name.startswith(("B", ".B", ".A"))]
    assert {"A.mha", "A.nii.gz", "A.json", "summary.csv"} <= left


def test_a_folder_that_cannot_be_written(tmp_path):
    drawn = example(tmp_path)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot write"):
        run(writer_for([drawn], tmp_path / "out"), [drawn])


def test_refused_volumes_are_listed(tmp_path, capsys):
    writer = writer_for([], tmp_path / "out", refused=[("x.mhd", "spacing of zero")])
    writer.close()
    (row,) = csv.DictReader((tmp_path / "out/refused.csv").open())
    assert row == {"volume": "x.mhd", "reason": "spacing of zero"}
    assert "refused          1" in capsys.readouterr().out


def test_memory_does_not_grow_with_the_number_of_bscans(tmp_path):
    """But for the en-face maps: two bytes per A-scan and fluid."""
    side, peaks = 64, []
    drawn = example(tmp_path, size=(1, side, side), fluids=())
    output, batch = drawn.pairs[0]
    for turn, count in enumerate((16, 16, 256)):
        write_mhd(tmp_path / "Cirrus/A/oct.mhd", np.zeros((count, side, side), np.uint8))
        writer = writer_for([drawn], tmp_path / f"out{turn}", pictures=True)
        tracemalloc.start()
        for number in range(count - 1):
            engine = SimpleNamespace(state=SimpleNamespace(output=[output], batch=[batch | {"slice": number}]))
            writer.collect(engine)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        writer._discard()
    maps = 3 * 2 * side * (256 - 16)
    assert peaks[2] < peaks[1] + maps + 16 * side * side, peaks
