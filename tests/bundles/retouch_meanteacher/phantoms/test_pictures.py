"""What phantoms show: fluids where anatomy has them, surfaces in 3-D, look-alikes, speckle as physics has it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.special import polygamma

from tests.bundles.retouch_meanteacher.phantoms.conftest import Drawn

IRF, SRF, PED = 1, 2, 3


@pytest.fixture(scope="module")
def eyes(phantoms: ModuleType) -> list[Any]:
    """One volume of every vendor with all fluids, rows and columns at half size, before a scanner."""
    plan, volume = (importlib.import_module(f"scripts.phantoms.{name}") for name in ("plan", "volume"))
    planned = plan.plan_volumes(volumes=(3, 3, 3), unlabelled=(0, 0, 0), seed=5)
    full = [entry for entry in planned if len(entry.fluids) == 3]
    assert len(full) == 3
    return [volume.draw_volume(entry, scale=0.5, slice_scale=0.2, seed=5) for entry in full]


def slices(eye: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Every B-scan before speckle, with its labels."""
    paint_slice = importlib.import_module("scripts.phantoms.paint").paint_slice
    return [paint_slice(eye.eye, eye.scan, n) for n in range(eye.scan.shape[0])]


def test_fluids_lie_in_their_layers_one_above_the_other(eyes: list[Any]) -> None:
    for eye in eyes:
        retina, depth_H1 = eye.eye.retina, eye.scan.depth_H[:, None]
        found = set()
        for n, (_, label_HW) in enumerate(slices(eye)):
            height_HW = retina.bruch_NW[n] - depth_H1
            inside = {
                IRF: (height_HW > retina.bottom("ONL")[n]) & (height_HW < retina.top("GCL")[n]),
                SRF: (height_HW > retina.top("RPE")[n]) & (height_HW < retina.bottom("OS")[n]),
                PED: (height_HW > 0) & (height_HW < retina.bottom("RPE")[n]),
            }
            for fluid, where_HW in inside.items():
                assert not (label_HW == fluid)[~where_HW].any(), fluid
            rows_H1 = np.arange(len(label_HW))[:, None]
            for upper, lower in ((IRF, SRF), (SRF, PED), (IRF, PED)):
                lowest_W = np.where(label_HW == upper, rows_H1, -1).max(0)
                highest_W = np.where(label_HW == lower, rows_H1, len(label_HW)).min(0)
                assert (lowest_W < highest_W).all()
            found |= set(np.unique(label_HW))
        assert found == {0, IRF, SRF, PED}


def test_pigment_epithelium_is_a_bright_band_under_srf_and_over_ped(drawn: Drawn) -> None:
    """Looked up in the stored pictures, along every column that crosses the fluid."""
    compared = 0
    for volume, label_NHW in drawn.labelled:
        image_NHW = volume.image_NHW.astype(float)
        step = max(1, round(0.014 / volume.spacing[1]))
        for fluid, edge, direction in ((SRF, -1, step), (PED, 0, -step)):
            columns = [
                (n, np.flatnonzero(label_NHW[n, :, w] == fluid)[edge], w)
                for n, w in np.argwhere((label_NHW == fluid).sum(1) * volume.spacing[1] > 0.06)
            ]
            if len(columns) < 30:
                continue
            n, h, w = np.array(columns).T
            fluid_mean = image_NHW[label_NHW == fluid].mean()
            band_mean = np.max([image_NHW[n, h + k * np.sign(direction), w] for k in range(1, step + 2)], 0).mean()
            assert band_mean > 1.25 * fluid_mean, (volume.facts["name"], fluid)
            compared += 1
    assert compared >= 6


def test_cysts_and_subretinal_fluid_are_darker_than_what_surrounds_them(eyes: list[Any]) -> None:
    for eye in eyes:
        for fluid in (IRF, SRF):
            inside, around = [], []
            for clean_HW, label_HW in slices(eye):
                mask_HW = label_HW == fluid
                ring_HW = binary_dilation(mask_HW, iterations=6) & (label_HW == 0)
                inside.append(clean_HW[mask_HW])
                around.append(clean_HW[ring_HW])
            assert np.concatenate(inside).mean() < np.concatenate(around).mean() - 0.05


def test_intensity_alone_does_not_find_fluid(drawn: Drawn) -> None:
    """Even the best two thresholds of each single volume leave most of it unfound or drowned."""
    for volume, label_NHW in drawn.labelled:
        if not volume.facts["fluids"]:
            continue
        image_NHW = volume.image_NHW.astype(float) / np.iinfo(volume.image_NHW.dtype).max
        bins = np.linspace(0, 1, 33)
        total = np.histogram(image_NHW, bins)[0].cumsum()
        fluid = np.histogram(image_NHW[label_NHW > 0], bins)[0].cumsum()
        total, fluid = np.insert(total, 0, 0), np.insert(fluid, 0, 0)
        hits = fluid[:, None] - fluid[None, :]
        dice = 2 * hits / np.maximum(total[:, None] - total[None, :] + fluid[-1], 1)
        assert dice.max() < 0.5, volume.facts["name"]


def test_surfaces_agree_between_b_scans(eyes: list[Any]) -> None:
    """Fluid changes little from one B-scan to the next one 0.1 mm away; slices drawn one by one would not overlap."""
    volume = importlib.import_module("scripts.phantoms.volume")
    plan = importlib.import_module("scripts.phantoms.plan")
    planned = eyes[0].planned
    dense = volume.draw_volume(planned, scale=0.25, slice_scale=0.5, seed=5)
    assert isinstance(planned, plan.PlannedVolume)
    columns_NW = np.stack([((label_HW == SRF) | (label_HW == PED)).any(0) for _, label_HW in slices(dense)])
    both = (columns_NW[1:] & columns_NW[:-1]).sum(1)
    either = (columns_NW[1:] | columns_NW[:-1]).sum(1)
    assert either.max() > 20
    assert (both.sum() / either.sum()) > 0.8


def test_the_same_seed_is_the_same_eye_at_every_scale(eyes: list[Any]) -> None:
    volume = importlib.import_module("scripts.phantoms.volume")
    for eye in eyes:
        coarse = volume.draw_volume(eye.planned, scale=0.25, slice_scale=0.2, seed=5)
        assert coarse.scan.shape != eye.scan.shape
        assert coarse.eye.retina.fovea == eye.eye.retina.fovea
        for layer in ("SRF", "PED", "ONL", "RNFL"):
            fine_mean, coarse_mean = (
                (one.eye.retina.top(layer) - one.eye.retina.bottom(layer)).mean() for one in (eye, coarse)
            )
            assert coarse_mean == pytest.approx(fine_mean, rel=0.05)


def test_the_whole_retina_is_inside_every_volume(eyes: list[Any]) -> None:
    for eye in eyes:
        retina = eye.eye.retina
        assert (retina.bruch_NW - retina.top_LNW[-1]).min() > 0
        assert retina.bruch_NW.max() < eye.scan.depth
        assert (np.diff(retina.top_LNW, axis=0) >= -1e-3).all()


def test_fovea_is_where_the_inner_layers_are_thinnest(phantoms: ModuleType) -> None:
    plan, volume = (importlib.import_module(f"scripts.phantoms.{name}") for name in ("plan", "volume"))
    planned = list(plan.plan_volumes(volumes=(8, 0, 0), unlabelled=(0, 0, 0), seed=1))
    healthy = next(entry for entry in planned if not entry.fluids)
    eye = volume.draw_volume(healthy, scale=0.5, slice_scale=0.5, seed=1)
    retina = eye.eye.retina
    inner_NW = retina.top("GCL") - retina.bottom("IPL")
    slice_, column = np.unravel_index(int(inner_NW.argmin()), inner_NW.shape)
    assert abs(slice_ - eye.fovea[0]) * eye.scan.spacing[0] < 0.35
    assert abs(column - eye.fovea[1]) * eye.scan.spacing[2] < 0.35


def test_white_bands_never_cover_fluid(drawn: Drawn) -> None:
    banded = 0
    for volume, label_NHW in drawn.labelled:
        white_NHW = volume.image_NHW == np.iinfo(volume.image_NHW.dtype).max
        banded += bool(white_NHW[:, 0].mean() + white_NHW[:, -1].mean() > 0.02)
        assert white_NHW[label_NHW > 0].mean() < 0.02 if (label_NHW > 0).any() else True
    assert banded >= 1


def test_volumes_differ_much(drawn: Drawn) -> None:
    """Mean brightness and contrast, each on the scale 0-1, vary between volumes of one vendor by several per cent."""
    shown = [volume.image_NHW / np.iinfo(volume.image_NHW.dtype).max for volume in drawn.volumes]
    assert np.std([picture.mean() for picture in shown]) > 0.02
    assert np.std([np.percentile(picture, 98) for picture in shown]) > 0.04


@pytest.mark.parametrize("looks", [1.0, 4.0, 12.0])
def test_speckle_on_the_log_scale_has_the_gamma_distributions_moments(phantoms: ModuleType, looks: float) -> None:
    """Variance of the logarithm of a mean of M exponential intensities: the trigamma function at M."""
    vendors, speckle = (importlib.import_module(f"scripts.phantoms.{name}") for name in ("vendors", "speckle"))
    scan = vendors.Scan((4, 200, 400), (1.0, 0.01, 0.1), (1.0, 0.01, 0.1))
    look = vendors.Look(looks, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 40.0)
    even_HW = np.full((200, 400), 0.7, np.float32)
    shown_HW = speckle.add_speckle(np.random.default_rng(0), even_HW, look=look, scan=scan, floor=-1.0)
    natural = 4 * np.log(10)
    assert np.var(shown_HW) * natural**2 == pytest.approx(float(polygamma(1, looks)), rel=0.03)
    expected = 0.7 + (float(polygamma(0, looks)) - np.log(looks)) / natural
    assert shown_HW.mean() == pytest.approx(expected, abs=0.002)


def test_speckle_is_multiplicative_above_the_noise_floor(phantoms: ModuleType) -> None:
    """On the log scale the spread does not depend on the brightness; tissue below the floor shows the floor."""
    vendors, speckle = (importlib.import_module(f"scripts.phantoms.{name}") for name in ("vendors", "speckle"))
    scan = vendors.Scan((4, 300, 300), (1.0, 0.002, 0.012), (1.0, 0.002, 0.012))
    look = next(entry.look for entry in vendors.VENDORS if entry.name == "Cirrus")
    shown = [
        speckle.add_speckle(
            np.random.default_rng(1), np.full((300, 300), tone, np.float32), look=look, scan=scan, floor=0.15
        )
        for tone in (0.4, 0.8, -0.5)
    ]
    assert shown[0].std() == pytest.approx(shown[1].std(), rel=0.02)
    assert shown[2].mean() == pytest.approx(0.15 + (shown[1].mean() - 0.8), abs=0.01)
    rows = np.corrcoef(shown[1][1:].ravel(), shown[1][:-1].ravel())[0, 1]
    assert rows > 0.3, "a grain is larger than a voxel along the beam"
