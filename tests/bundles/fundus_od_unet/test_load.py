"""Photographs and masks on the canvas: left view, aspect, label numbers, the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.data.geometry import Geometry
from shared.errors import ConfigError, DataError
from shared.transforms import RestorePhotographd
from tests.support.discs import HEIGHT, WIDTH, ellipse

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def first(folder: Path, source: str) -> dict[str, Any]:
    from scripts.datalist import make_datalist

    lists = make_datalist(folder, source=source, protocol="seeded")
    return lists["training"][0]


def load(item: dict[str, Any], **settings: Any) -> dict[str, Any]:
    from scripts.load import LoadDiscd

    return LoadDiscd(**{"image_size": [2 * HEIGHT, 2 * WIDTH], "classes": ["disc", "cup"]} | settings)(item)


def test_the_left_view_of_a_stereo_photograph_at_twice_its_size(layouts: dict[str, Path]) -> None:
    sample = load(first(layouts["rim_one_r3"], "rim_one_r3"), native=True)
    assert sample["image"].shape == (3, 2 * HEIGHT, 2 * WIDTH)
    assert sample["image"].dtype == sample["label"].dtype == torch.uint8
    truth_HW = ellipse(12).astype(np.uint8) + ellipse(6)
    np.testing.assert_array_equal(sample["native_label"][0], truth_HW)
    np.testing.assert_array_equal(sample["label"][0], np.kron(truth_HW, np.ones((2, 2), np.uint8)))
    # Both views side by side are bright in their left half alone, so all of the left view is.
    assert float(sample["image"].float().std()) < 3
    assert abs(float(sample["image"].float().mean()) - 120) < 3
    geometry = Geometry.from_tensor(sample["geometry"])
    assert geometry.photo_size == (HEIGHT, WIDTH)
    assert geometry.scale == 2
    assert sample["path"].endswith(".jpg")
    assert {"name", "stereo", "laterality", "source", "group"} <= sample.keys()


def test_the_aspect_is_kept_and_maps_come_back(layouts: dict[str, Path]) -> None:
    sample = load(first(layouts["rim_one_r3"], "rim_one_r3"), image_size=[100, 60], native=True)
    assert sample["image"].shape == (3, 100, 60)
    assert not sample["image"][:, :30].any()
    assert not sample["image"][:, 70:].any()
    assert sample["image"][:, 31:69].float().mean() > 100
    np.testing.assert_array_equal(sample["label"][0, 30:70], sample["native_label"][0])
    maps_2HW = torch.cat([sample["label"] == 0, sample["label"] > 0]).float()
    back = RestorePhotographd(keys="pred", inside_field=False)({"pred": maps_2HW, "geometry": sample["geometry"]})
    assert torch.equal(back["pred"].argmax(0), (sample["native_label"][0] > 0).long())


def test_disc_alone_counts_its_cup(layouts: dict[str, Path]) -> None:
    sample = load(first(layouts["rim_one_r3"], "rim_one_r3"), classes=["disc"], image_size=[HEIGHT, WIDTH])
    np.testing.assert_array_equal(sample["label"][0], ellipse(12))
    assert "native_label" not in sample


def test_a_photograph_without_masks_has_no_label(layouts: dict[str, Path]) -> None:
    item = first(layouts["drions"], "drions")
    sample = load({"image": item["image"], "name": "seen"}, native=True)
    assert "label" not in sample
    assert "native_label" not in sample


@pytest.mark.parametrize("source", ["rim_one_dl", "drishti", "refuge", "idrid_disc", "drions"])
def test_every_source_gives_a_disc(source: str, layouts: dict[str, Path]) -> None:
    item = first(layouts[source], source)
    sample = load(item, classes=["disc"], native=True)
    from scripts.masks import read_label

    truth_HW = read_label(item["disc"], kind="disc", rule=item["rule"], size=(HEIGHT, WIDTH), stereo=False)
    np.testing.assert_array_equal(sample["native_label"][0], truth_HW)
    assert truth_HW.any()


def test_no_cup_where_one_is_needed(layouts: dict[str, Path]) -> None:
    from scripts.datalist import with_masks

    item = first(layouts["drions"], "drions")
    with pytest.raises(DataError, match=r"no mask of its cup[\s\S]*--classes"):
        load(item)
    with pytest.raises(DataError, match=r"1 photographs have no cup mask[\s\S]*--classes"):
        with_masks([item], classes=["disc", "cup"])
    assert with_masks([item], classes=["disc"]) == [item]
    sample = load(item, partial=True)
    assert sample["label"].unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["cup"]}, r"\['disc'\] or \['disc', 'cup'\]"),
        ({"classes": ["disk"]}, r"correct the key `classes`"),
        ({"image_size": [64]}, r"a height and a width"),
        ({"image_size": [64, 0]}, r"a height and a width"),
        ({"image_size": 64}, r"image_size is 64"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load({}, **settings)
