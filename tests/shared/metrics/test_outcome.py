from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.data.geometry import Geometry
from shared.errors import ConfigError
from shared.metrics.outcome import outcome_of, outcomes_of
from shared.tasks import parse_tasks

TASKS = parse_tasks(
    [{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "MA", "kind": "mask"}, {"name": "OD", "kind": "mask"}]
)


def example(**changes):
    output = {"pred": torch.rand(2, 6, 8), "RG": torch.ones(5) / 5, "gate_weights": torch.ones(3, 3) / 3}
    batch = {
        "name": "A/train/IDRiD_01",
        "path": "somewhere/IDRiD_01.jpg",
        "labelled": torch.tensor([False, True, True]),
        "grades": torch.tensor([-1]),
        "masks": torch.ones(2, 6, 8, dtype=torch.uint8),
        "image": MetaTensor(torch.zeros(3, 6, 8)),
        "geometry": Geometry(48, 64, 24.0, 32.0, 40.0, 0.125, 0.0, 0.0).to_tensor(),
        "leaks": torch.tensor(True),
    }
    return output, batch | changes


def test_arrays_of_one_photograph():
    outcome = outcome_of(*example(), TASKS)
    assert outcome.name == "A/train/IDRiD_01"
    assert outcome.leaks is True
    assert outcome.labelled_T.tolist() == [False, True, True]
    assert outcome.truth_SHW.dtype == bool
    assert outcome.truth_SHW.all()
    assert type(outcome.image_3HW) is np.ndarray
    assert outcome.geometry.photo_size == (48, 64)
    assert outcome.probabilities["RG"].shape == (5,)


def test_the_truth_is_the_one_of_the_predictions_size():
    output, batch = example(photograph_masks=torch.zeros(2, 48, 64, dtype=torch.uint8))
    assert outcome_of(output, batch, TASKS).truth_SHW.shape == (2, 6, 8)
    output["pred"] = torch.rand(2, 48, 64)
    assert not outcome_of(output, batch, TASKS).truth_SHW.any()


def test_masks_of_no_fitting_size_are_an_error():
    output, batch = example(masks=torch.zeros(2, 5, 8))
    with pytest.raises(ConfigError, match=r"IDRiD_01.*\(2, 6, 8\)"):
        outcome_of(output, batch, TASKS)


def test_inference_without_any_truth():
    output, _ = example()
    outcome = outcome_of({"pred": output["pred"]}, {"path": "x.jpg"}, TASKS)
    assert not outcome.labelled_T.any()
    assert outcome.truth_SHW is None
    assert outcome.gate_weights_TE is None
    assert outcome.geometry is None
    assert outcome.grades_G.tolist() == [-1]


def test_bfloat16_probabilities():
    output, batch = example()
    output["RG"] = output["RG"].bfloat16()
    assert outcome_of(output, batch, TASKS).probabilities["RG"].dtype == np.float32


def test_an_engine_that_does_not_decollate_is_told_so():
    output, batch = example()
    with pytest.raises(ConfigError, match="decollate"):
        outcomes_of(SimpleNamespace(state=SimpleNamespace(output=output, batch=batch)), TASKS)


def test_boxes_are_in_pixels_of_the_original_and_the_truth_only_where_there_is_one():
    output, batch = example(
        photo_size=torch.tensor([300, 500]), box=torch.tensor([0.1, 0.2, 0.5, 1.0]), has_box=torch.tensor(True)
    )
    output["pred_box"] = torch.tensor([10.0, 20.0, 30.0, 40.0])
    outcome = outcome_of(output, batch, TASKS)
    np.testing.assert_allclose(outcome.true_box_4, [50, 60, 250, 300], rtol=1e-6)
    assert outcome.box_4.tolist() == [10, 20, 30, 40]
    assert outcome.photo_size == (300, 500)
    assert outcome_of(output, batch | {"has_box": torch.tensor(False)}, TASKS).true_box_4 is None
    with pytest.raises(ConfigError, match=r"IDRiD_01.*photo_size"):
        outcome_of(output, batch | {"photo_size": None}, TASKS)


def test_pixels_that_do_not_count_come_with_the_truth_of_their_size():
    output, batch = example(counted=torch.zeros(2, 6, 8), photograph_masks=torch.ones(2, 48, 64))
    assert not outcome_of(output, batch, TASKS).counted_SHW.any()
    output["pred"] = torch.rand(2, 48, 64)
    assert outcome_of(output, batch, TASKS).counted_SHW is None
