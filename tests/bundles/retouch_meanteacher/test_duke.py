"""The Duke scans through training, evaluation by patient and inference, with one class of fluid."""

import csv
import json

import itk
import nibabel
import numpy as np
import pytest

from tests.support.bundle import run

pytestmark = pytest.mark.real
NAME = "retouch_meanteacher"


@pytest.mark.parametrize(("fraction", "labelled"), [(1 / 8, ["DUKE001"]), (1 / 4, 2)])
def test_mean_teacher_with_the_unlabelled_scans_of_patient_1(fraction, labelled, tiny, tmp_path, real_duke):
    """One or two labelled patients, patient 1 always among them; a fold's patient is scored, and read as it is."""
    data = {"dataset_dir": str(real_duke), "unlabelled_dir": str(real_duke / "unlabelled"), "fold": 3}
    keys = tiny | data | {"max_epochs": 1, "batches_per_epoch": 2, "labelled_fraction": fraction}
    keys.pop("validation_fraction")
    run(NAME, "train", "duke", **keys)
    parts = json.loads((tmp_path / "models" / "split.json").read_text())["parts"]
    patients = {name.split("/")[-1] for name in parts["labelled"]}
    assert patients == set(labelled) if isinstance(labelled, list) else "DUKE001" in patients and len(patients) == 2
    assert "unlabelled/Spectralis/DUKE001U" in parts["unlabelled"]
    (held,) = (name.split("/")[-1] for name in parts["validation"])
    model = {"ckpt_path": str(tmp_path / "models" / "model.pt")}
    evaluation = keys | model | {"output_dir": str(tmp_path / "evaluation"), "bootstrap_samples": 0}
    run(NAME, "train", "duke", "evaluate", **evaluation, split="validation")
    with (tmp_path / "evaluation" / "per_volume.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["patient"], row["prediction"]) for row in rows} == {(held, "student"), (held, "teacher")}
    assert not any("mm3" in column and row[column] for row in rows for column in row)
    if labelled != 2:
        infer_and_compare(real_duke / "RETOUCH-TrainingSet-Spectralis" / held / "oct.mhd", tiny, model, tmp_path)


def infer_and_compare(scan, tiny, model, tmp_path):
    """Labels come out where the scan is: size, spacing, origin, direction, exactly, in ITK and in nibabel."""
    same = ("image_size", "backbone", "amp", "device", "tracking_uri")
    keys = {key: tiny[key] for key in same} | model
    run(
        NAME,
        "inference",
        "duke",
        workflow_type="infer",
        dataset_dir=str(scan),
        output_dir=str(tmp_path / "out"),
        **keys,
    )
    (path,) = (tmp_path / "out").rglob("*.mha")
    given, written = itk.imread(str(scan)), itk.imread(str(path))
    for read in (itk.size, itk.spacing, itk.origin):
        assert tuple(read(written)) == tuple(read(given))
    assert np.array_equal(*(itk.array_from_matrix(image.GetDirection()) for image in (written, given)))
    (nifti,) = (tmp_path / "out").rglob("*.nii.gz")
    image = nibabel.load(nifti)
    assert image.shape == tuple(itk.size(given))
    # ITK's axes point left and back, NIfTI's right and front.
    affine = np.diag([-1, -1, 1, 1]) @ np.diag([*itk.spacing(given), 1])
    assert np.array_equal(image.affine, affine.astype(np.float32))
    assert np.array_equal(np.asarray(image.dataobj).T, itk.array_from_image(written))
    assert set(np.unique(itk.array_from_image(written))) <= {0, 1}
