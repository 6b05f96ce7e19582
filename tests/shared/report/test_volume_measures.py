import numpy as np
import pytest

from shared.metrics.bootstrap import resample
from shared.metrics.volumes import DEFINITIONS, count_classes
from shared.report.volume_measures import VolumeCounts, patient_weights, subsets, volume_rows


def counts(number=6, *, physical=True, patients=None):
    generator = np.random.default_rng(0)
    kept = []
    for index in range(number):
        truth = generator.choice(3, p=[0.8, 0.1, 0.1], size=(4, 5, 6)) * (index != 1)
        predicted = np.where(generator.random(truth.shape) < 0.2, generator.choice(3, size=truth.shape), truth)
        kept.append(
            VolumeCounts(
                f"v{index}",
                "Cirrus" if index < 4 else "Topcon",
                f"p{index}" if patients is None else patients[index],
                0.25 if physical and index != 2 else None,
                count_classes(truth, predicted, num_classes=3),
                generator.random(2),
            )
        )
    return kept


def rows_of(kept, **arguments):
    options = {
        "classes": ["IRF", "SRF"],
        "subset": "all",
        "prediction": "student",
        "samples": 50,
        "seed": 0,
    } | arguments
    return {(row.task, row.metric): row for row in volume_rows(kept, **options)}


def by_hand(item, fluid):
    hit = item.confusion_KK[fluid, fluid]
    truth, predicted = item.confusion_KK[fluid].sum(), item.confusion_KK[:, fluid].sum()
    return hit, truth, predicted


def test_values_and_intervals_by_hand():
    kept = counts()
    rows = rows_of(kept)
    each = np.array([by_hand(item, 1) for item in kept], float)
    dices = 2 * each[:, 0] / each[:, 1:].sum(1)
    assert rows["IRF", "dice"].value == pytest.approx(dices.mean())
    assert rows["IRF", "dice_pooled"].value == pytest.approx(2 * each[:, 0].sum() / each[:, 1:].sum())
    differences = np.abs(each[:, 2] - each[:, 1])
    assert rows["IRF", "volume_difference_mm3"].value == pytest.approx(np.delete(differences, 2).mean() * 0.25)
    assert rows["IRF", "volume_difference_mm3"].n == 5
    assert rows["IRF", "volume_difference_voxels"].value == differences[2]
    assert rows["IRF", "volume_difference_voxels"].n == 1
    assert rows["IRF", "volumes_with_fluid"].value == 5
    redrawn = resample(6, samples=50, seed=0) @ dices / 6
    assert (rows["IRF", "dice"].low, rows["IRF", "dice"].high) == pytest.approx(
        tuple(np.quantile(redrawn, [0.025, 0.975]))
    )
    expected = (rows["IRF", "dice"].value + rows["SRF", "dice"].value) / 2
    assert rows["mean", "dice"].value == pytest.approx(expected)
    assert ("mean", "volumes_with_fluid") not in rows
    names = {metric for _, metric in rows} - {"volumes_with_fluid"}
    assert names == set(DEFINITIONS) - {"interval", "mean"}


def test_without_voxel_size_there_are_no_mm3():
    rows = rows_of(counts(physical=False))
    assert ("IRF", "volume_difference_mm3") not in rows
    assert rows["IRF", "volume_difference_voxels"].n == 6


def test_patients_are_resampled_with_all_their_volumes():
    weights = patient_weights(["b", "a", "b", "c"], samples=200, seed=0)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert set(np.unique(weights)) == {0, 1, 2, 3}
    drawn = weights[:, 0] + weights[:, 1] + weights[:, 3]
    np.testing.assert_array_equal(drawn, 3)
    one = rows_of(counts(patients=["a"] * 6))
    assert np.isnan(one["IRF", "dice"].low)


def test_no_interval_from_one_patient_with_a_value():
    kept = counts(5)
    nothing = np.array([[100, 0, 0], [0, 0, 0], [0, 0, 0]])
    kept = [kept[0], *(item._replace(confusion_KK=nothing) for item in kept[1:])]
    rows = rows_of(kept)
    for metric in ("dice", "iou", "dice_pooled", "detection_auc"):
        assert rows["IRF", metric].value == rows["IRF", metric].value
        assert np.isnan([rows["IRF", metric].low, rows["IRF", metric].high]).all()
        assert np.isnan(rows["mean", metric].low)
    assert rows["IRF", "volume_difference_mm3"].low <= rows["IRF", "volume_difference_mm3"].value


def test_vendors_are_reported_where_there_are_several():
    chosen = subsets(["Topcon", "Cirrus", "Topcon"])
    assert list(chosen) == ["all", "Topcon", "Cirrus"]
    assert chosen["Topcon"].tolist() == [True, False, True]
    assert list(subsets(["Cirrus", "Cirrus"])) == ["all"]


def test_one_fluid_has_no_mean():
    kept = [item._replace(confusion_KK=item.confusion_KK[:2, :2], score_F=item.score_F[:1]) for item in counts()]
    rows = rows_of(kept, classes=["fluid"])
    assert {task for task, _ in rows} == {"fluid"}


def test_around_the_fovea():
    kept = counts(4)
    kept[0] = kept[0]._replace(near_RF2=np.array([[[4, 6], [0, 0]], [[9, 5], [1, 1]]]))
    kept[2] = kept[2]._replace(near_RF2=np.array([[[400, 6], [0, 0]], [[9, 5], [1, 1]]]))  # no voxel size
    rows = rows_of(kept, diameters_mm=(1, 3))
    assert rows["IRF", "volume_difference_within_1mm_mm3"].value == pytest.approx(2 * 0.25)
    assert rows["IRF", "volume_difference_within_3mm_mm3"].value == pytest.approx(4 * 0.25)
    assert rows["SRF", "volume_difference_within_3mm_mm3"].value == 0
    assert rows["IRF", "volume_difference_within_3mm_mm3"].n == 1
