from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.data import photograph
from shared.data.photograph import photograph_size, read_mask, read_photograph
from shared.errors import DataError
from tests.support.fundus import draw_fundus


def save(array: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    drawing = draw_fundus()
    read = read_photograph(save(drawing, tmp_path / "a.png"))
    assert (read.pixels_HW3 == drawing).all()
    assert read.full_size == drawing.shape[:2]


@pytest.mark.parametrize(
    ("wanted", "expected"), [((1, 1), 8), ((34, 1), 8), ((36, 40), 4), ((71, 1), 2), ((141, 1), 1)]
)
def test_jpeg_decodes_at_the_smallest_scale_that_is_enough(
    tmp_path: Path, wanted: tuple[int, int], expected: int
) -> None:
    path = save(draw_fundus(280, 400), tmp_path / "a.jpg", quality=95)
    read = read_photograph(path, at_least=wanted)
    assert read.full_size == (280, 400)
    assert read.pixels_HW3.shape == (280 // expected, 400 // expected, 3)
    assert read.pixels_HW3.shape[0] >= wanted[0]
    full = np.asarray(Image.open(path)).astype(float)
    blocks = full.reshape(280 // expected, expected, 400 // expected, expected, 3).mean(axis=(1, 3))
    assert np.abs(blocks - read.pixels_HW3).mean() < 2


def test_exif_orientation_turns_photograph_and_size(tmp_path: Path) -> None:
    drawing = draw_fundus(96, 160)
    exif = Image.Exif()
    exif[274] = 6
    path = save(drawing, tmp_path / "a.jpg", quality=95, exif=exif)
    read = read_photograph(path, at_least=(80, 48))
    assert read.full_size == photograph_size(path) == (160, 96)
    assert read.pixels_HW3.shape == (80, 48, 3)
    upright = np.rot90(drawing, k=-1)
    full = read_photograph(path).pixels_HW3
    assert np.abs(full.astype(float) - upright).mean() < 6


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "LA"])
def test_other_modes_become_rgb_and_are_said_once(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photograph, "_converted", set())
    path = tmp_path / "a.tif"
    image = Image.fromarray(draw_fundus()).convert(mode)
    image.save(path)
    with caplog.at_level(logging.WARNING):
        first, second = read_photograph(path), read_photograph(path)
    assert sum("converted to RGB" in record.message for record in caplog.records) == 1
    assert (first.pixels_HW3 == np.asarray(image.convert("RGB"))).all()
    assert (first.pixels_HW3 == second.pixels_HW3).all()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 200 * 200).reshape(200, 200).astype(np.uint16)
    pixels = read_photograph(save(deep, tmp_path / "a.png")).pixels_HW3
    assert np.abs(pixels[..., 1].astype(float) - deep / 257).max() <= 0.51


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "missing", "header only"])
def test_damaged_files_are_named_with_the_cause(tmp_path: Path, damage: str) -> None:
    path = save(draw_fundus(), tmp_path / "a.jpg")
    content = path.read_bytes()
    changed = {"truncated": content[: len(content) // 2], "empty": b"", "text": b"hello", "header only": content[:200]}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    cause = {"truncated": "truncated", "empty": "0 bytes", "text": "no picture", "missing": "no such file"}
    with pytest.raises(DataError, match=cause.get(damage, "cannot read")) as caught:
        read_photograph(path)
    assert "a.jpg" in str(caught.value)
    with pytest.raises(DataError, match=r"a\.jpg"):
        read_photograph(path, at_least=(10, 10))


def test_pixel_bomb_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photograph, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match="million pixels"):
        read_photograph(save(draw_fundus(), tmp_path / "a.png"))
    monkeypatch.undo()
    header = io.BytesIO()
    Image.new("1", (30_000, 10_000)).save(header, "png")
    (tmp_path / "b.png").write_bytes(header.getvalue())
    with pytest.raises(DataError, match=r"b\.png"):
        read_photograph(tmp_path / "b.png")


def mask_files(folder: Path, mask: np.ndarray) -> dict[str, Path]:
    palette = Image.fromarray(mask.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0] + [0] * 762)
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = mask * 255, 255
    images = {
        "palette": palette,
        "one bit": Image.fromarray(mask),
        "255": Image.fromarray(mask.astype(np.uint8) * 255),
        "1": Image.fromarray(mask.astype(np.uint8)),
        "rgba": Image.fromarray(rgba),
        "rgb": Image.fromarray(rgba[..., :3]),
    }
    paths = {kind: folder / f"{kind}.tif" for kind in images}
    for kind, image in images.items():
        image.save(paths[kind], compression="tiff_lzw")
    return paths


@pytest.mark.parametrize("kind", ["palette", "one bit", "255", "1", "rgba", "rgb"])
@pytest.mark.parametrize("share", [0.0, 0.02])
def test_every_kind_of_mask(tmp_path: Path, kind: str, share: float) -> None:
    mask = np.random.default_rng(0).random((60, 90)) < share
    read = read_mask(mask_files(tmp_path, mask)[kind], size=(60, 90))
    assert read.dtype == np.bool_
    assert (read == mask).all()


def test_mask_of_another_size_names_both(tmp_path: Path) -> None:
    path = mask_files(tmp_path, np.zeros((60, 90), bool))["255"]
    with pytest.raises(DataError, match=r"90x60.*eye\.jpg is 91x60"):
        read_mask(path, size=(60, 91), photograph="eye.jpg")


@pytest.mark.parametrize("value", [2, 128, 254])
def test_mask_with_other_values_is_refused(tmp_path: Path, value: int) -> None:
    mask = np.zeros((60, 90), np.uint8)
    mask[3, 4], mask[7, 8] = value, 255
    with pytest.raises(DataError, match=rf"other values than 0, 1 and 255, such as \[{value}\]"):
        read_mask(save(mask, tmp_path / "mask.png"))
