"""The handlers behind MONAI's own evaluator, loader and transforms, on files."""

import json
from pathlib import Path

import itk
import nibabel
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from PIL import Image

from shared.data import VolumeBatchSampler, VolumeFile, slice_items
from shared.handlers import FitEnsembleWeights, VolumeReport, VolumeWriter
from shared.transforms import LoadBScand
from shared.transforms.class_probabilities import ClassProbabilitiesd
from tests.support.volumes import draw_labels, draw_volume, write_mhd


class Darker(torch.nn.Module):
    """Calls dark voxels class 1, with a certainty that grows with darkness; two members that disagree."""

    def __init__(self, num_classes, names=()):
        super().__init__()
        self.num_classes, self.names = num_classes, names

    def forward(self, image_BCHW):
        logits = torch.zeros(len(image_BCHW), self.num_classes, *image_BCHW.shape[2:])
        logits[:, 1] = 20 * (0.15 - image_BCHW[:, 0])
        return {name: logits * (1 - 2 * place) for place, name in enumerate(self.names)} if self.names else logits


def item_of(folder, vendor="Cirrus", *, physical=True):
    image, label = folder / "oct.mhd", folder / "reference.mhd"
    volume = VolumeFile(image)
    return {
        "name": f"{vendor}/{folder.name}",
        "vendor": vendor,
        "patient": folder.name,
        "image": str(image),
        "label": str(label) if label.is_file() else "",
        "num_slices": volume.num_slices,
        "size": list(volume.size),
        "spacing": list(volume.spacing),
        "physical": physical and volume.physical,
    }


def evaluate(items, handlers, *, size, num_classes, names=(), stream=False, num_workers=0, **post):
    data = slice_items(items)
    load = LoadBScand(size, num_classes=num_classes, native=not stream, stream=stream)
    loader = DataLoader(
        Dataset(data, load), batch_sampler=VolumeBatchSampler(data, batch_size=3), num_workers=num_workers
    )
    SupervisedEvaluator(
        device="cpu",
        val_data_loader=loader,
        network=Darker(num_classes, names),
        postprocessing=Compose([ClassProbabilitiesd(**post)]),
        val_handlers=handlers,
    ).run()


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    for number, (slices, height, width) in enumerate([(4, 24, 32), (5, 40, 28), (1, 24, 32)]):
        write_mhd(folder / f"P{number}/oct.mhd", draw_volume(slices, height, width, seed=number), origin=(1, 2, 3.5))
        if number != 2:
            write_mhd(folder / f"P{number}/reference.mhd", draw_labels(slices, height, width), compress=True)
    return [item_of(folder / f"P{number}") for number in range(3)]


def test_report_of_members_and_their_ensemble(tmp_path, items):
    classes = ["IRF", "SRF", "PED"]
    handlers = [
        VolumeReport(items, classes=classes, output_dir=tmp_path, split="test", deploy="teacher", samples=0),
        FitEnsembleWeights(classes=classes, output_dir=tmp_path),
    ]
    evaluate(items, handlers, size=(32, 32), num_classes=4, names=("student", "teacher"))
    report = handlers[0]
    assert report.predictions == ["teacher", "student"]
    assert report.unlabelled == {"Cirrus/P2"}
    assert json.loads((tmp_path / "ensemble.json").read_text())["volumes"] == 2
    for item in items[:2]:
        truth = VolumeFile(item["label"]).read()
        counted = report.counts["student"][item["name"]].confusion_KK
        np.testing.assert_array_equal(counted.sum(1), np.bincount(truth.ravel(), minlength=4))
    evaluate(items, handlers[:1], size=(32, 32), num_classes=4, names=("student", "teacher"), ensemble="equal")
    assert set(report.predictions) == {"teacher", "student", "ensemble"}
    assert report.counts["ensemble"]["Cirrus/P0"].confusion_KK.sum() == 4 * 24 * 32


@pytest.mark.parametrize("size", [(24, 32), (32, 32)])
def test_inference_that_streams(tmp_path, items, size):
    handlers = [VolumeWriter(items, classes=["IRF", "SRF", "PED"], output_dir=tmp_path, pictures=False)]
    evaluate(items, handlers, size=size, num_classes=4, stream=True)
    for item in items:
        image = itk.imread(str(tmp_path / f"volumes/{item['name'].replace('/', '_')}.mha"))
        given = itk.imread(item["image"])
        assert tuple(itk.spacing(image)) == tuple(itk.spacing(given))
        assert tuple(itk.origin(image)) == tuple(itk.origin(given)) == (1, 2, 3.5)
        labels, scan = itk.array_from_image(image), VolumeFile(item["image"]).intensities()
        assert labels.shape == scan.shape
        if size == scan.shape[1:]:
            np.testing.assert_array_equal(labels, scan < np.float32(0.15))


def item_of_file(path):
    volume = VolumeFile(path)
    about = {
        "name": path.name.split(".")[0],
        "vendor": "unknown",
        "patient": path.name,
        "image": str(path),
        "label": "",
    }
    sizes = {"num_slices": volume.num_slices, "size": list(volume.size), "spacing": list(volume.spacing)}
    return about | sizes | {"physical": volume.physical}


@pytest.mark.parametrize("turn", [0, 30])
def test_nifti_in_nifti_out(tmp_path, turn):
    """The same affine, qform and sform, as nibabel sees them; a turned one to the rounding of its decomposition."""
    angle = np.deg2rad(turn)
    affine = np.diag([-0.0117, -0.004, 0.25, 1.0])
    affine[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ affine[:2, :2]
    affine[:3, 3] = 1.1, -2.2, 3.3
    given = nibabel.Nifti1Image(draw_volume(3, 24, 32).T, affine)
    given.set_qform(affine, 1)
    given.set_sform(affine, 1)
    given.header.set_xyzt_units("mm")
    nibabel.save(given, tmp_path / "scan.nii.gz")
    item = item_of_file(tmp_path / "scan.nii.gz")
    assert item["physical"]
    writer = VolumeWriter([item], classes=["fluid"], output_dir=tmp_path / "out", pictures=False)
    evaluate([item], [writer], size=(32, 32), num_classes=2, stream=True)
    before, after = (nibabel.load(tmp_path / name) for name in ("scan.nii.gz", "out/volumes/scan.nii.gz"))
    assert after.shape == before.shape
    np.testing.assert_array_equal(after.header.get_zooms(), before.header.get_zooms())
    for part in ("get_qform", "get_sform"):
        np.testing.assert_allclose(getattr(after, part)(), getattr(before, part)(), atol=1e-6 if turn else 0)
    meta, seen = (itk.imread(str(tmp_path / name)) for name in ("out/volumes/scan.mha", "scan.nii.gz"))
    assert (tuple(itk.spacing(meta)), tuple(itk.origin(meta))) == (tuple(itk.spacing(seen)), tuple(itk.origin(seen)))
    np.testing.assert_array_equal(
        itk.array_from_matrix(meta.GetDirection()), itk.array_from_matrix(seen.GetDirection())
    )


def test_a_folder_of_pictures(tmp_path, capsys):
    (tmp_path / "scan").mkdir()
    for number, pixels in enumerate(draw_volume(3, 24, 32)):
        Image.fromarray(pixels).save(tmp_path / f"scan/{number:03}.png")
    item = item_of_file(tmp_path / "scan")
    writer = VolumeWriter([item], classes=["fluid"], output_dir=tmp_path / "out", pictures=False)
    evaluate([item], [writer], size=(24, 32), num_classes=2, stream=True)
    labels = np.asarray(nibabel.load(tmp_path / "out/volumes/scan.nii.gz").dataobj).T
    np.testing.assert_array_equal(labels, VolumeFile(item["image"]).intensities() < np.float32(0.15))
    assert "voxels in 3 B-scans" in capsys.readouterr().out


@pytest.mark.real
def test_duke(tmp_path, real_data):
    """Every B-scan of two patients, at another size than the network's; geometry exactly that of the input."""
    folder = real_data / "duke_dme_as_retouch" / "RETOUCH-TrainingSet-Spectralis"
    items = [item_of(folder / name, "Spectralis", physical=False) for name in ("DUKE002", "DUKE003")]
    handlers = [VolumeReport(items, classes=["fluid"], output_dir=tmp_path / "report", split="test", samples=0)]
    evaluate(items, handlers, size=(128, 192), num_classes=2)
    (row,) = [row for row in handlers[0].rows if row.metric == "volume_difference_voxels"]
    assert row.n == 2
    assert handlers[0].counts["pred"]["Spectralis/DUKE002"].confusion_KK.sum() == 11 * 496 * 768
    truth = itk.array_from_image(itk.imread(items[0]["label"]))
    assert handlers[0].counts["pred"]["Spectralis/DUKE002"].confusion_KK[1].sum() == (truth == 1).sum()

    handlers = [VolumeWriter(items, classes=["fluid"], output_dir=tmp_path / "inferred")]
    evaluate(items, handlers, size=(128, 192), num_classes=2, stream=True)
    given = itk.imread(items[0]["image"])
    for suffix, kind in ((".mha", np.float64), (".nii.gz", np.float32)):
        path = tmp_path / f"inferred/volumes/Spectralis_DUKE002{suffix}"
        image = itk.imread(str(path))
        assert itk.size(image) == itk.size(given)
        for part in (itk.spacing, itk.origin):
            assert tuple(part(image)) == tuple(float(kind(value)) for value in part(given))
        np.testing.assert_array_equal(itk.array_from_matrix(image.GetDirection()), np.eye(3))
        labels = itk.array_from_image(image)
        if suffix == ".nii.gz":
            loaded = nibabel.load(path)
            assert loaded.shape == (768, 496, 11)
            expected = np.diag([-1, -1, 1, 1]) @ np.diag([*itk.spacing(given), 1])
            np.testing.assert_array_equal(loaded.affine, expected.astype(np.float32))
            np.testing.assert_array_equal(np.asarray(loaded.dataobj).T, labels)
        np.testing.assert_array_equal(labels.sum((1, 2)), np.array(_found(tmp_path)["voxels_by_bscan"]))
    assert _found(tmp_path)["volume_mm3"] is None


def _found(folder: Path):
    return json.loads((folder / "inferred/json/Spectralis_DUKE002.json").read_text())["fluids"]["fluid"]
