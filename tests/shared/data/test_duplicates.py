from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.data import duplicates
from shared.data.duplicates import (
    COPY,
    SAME_EYE,
    Duplicate,
    find_duplicates,
    find_same_eyes,
    fingerprints,
    identical_files,
)
from shared.data.duplicates import group_duplicates as group
from shared.errors import DataError
from tests.support.fundus import draw_fundus


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("photographs")
    eye = draw_fundus(712, 1072, seed=1)
    pictures = {
        "eye": (eye, 95),
        "scaled": (np.asarray(Image.fromarray(eye).resize((536, 356), Image.Resampling.BOX)), 80),
        "recompressed": (eye, 40),
        "darker": ((eye * 0.7).astype(np.uint8), 90),
        "again": (draw_fundus(712, 1072, seed=1, shift=(0.08, -0.1), brightness=0.9), 90),
        "mirrored": (eye[:, ::-1], 95),
        "other": (draw_fundus(712, 1072, seed=2), 95),
        "third": (draw_fundus(356, 536, seed=3), 95),
    }
    for name, (picture, quality) in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=quality)
    return {name: folder / f"{name}.jpg" for name in pictures}


def test_copies_and_second_photographs_are_found_and_others_not(photographs: dict[str, Path]) -> None:
    names = list(photographs)
    pairs = {
        frozenset((names[pair.first], names[pair.second])): pair.correlation
        for pair in find_duplicates(fingerprints(list(photographs.values())), threshold=-1.0)
    }
    same = [frozenset((a, b)) for a in names[:4] for b in names[:4] if a != b]
    assert all(pairs[pair] > COPY for pair in same)
    assert all(SAME_EYE < pairs[frozenset((name, "again"))] < COPY for name in names[:4])
    others = [value for pair, value in pairs.items() if pair & {"mirrored", "other", "third"}]
    assert max(others) < SAME_EYE - 0.1


def test_groups_connect_all_that_pairs_connect() -> None:
    pairs = [Duplicate(4, 2, 1.0), Duplicate(0, 4, 1.0), Duplicate(5, 6, 1.0)]
    assert group(7, pairs) == [0, 1, 0, 2, 0, 3, 3]
    assert group(3, []) == [0, 1, 2]
    assert group(0, []) == []


def test_correlation_at_shifts_is_that_of_a_plain_loop(photographs: dict[str, Path]) -> None:
    prints = fingerprints([photographs["eye"], photographs["again"]])
    (pair,) = find_duplicates(prints)
    (a, inner_a), (b, inner_b) = prints.astype(np.float64)
    best = 0.0
    for dy in range(-10, 11):
        for dx in range(-10, 11):
            here = (slice(max(0, -dy), 64 - max(0, dy)), slice(max(0, -dx), 64 - max(0, dx)))
            there = (slice(max(0, dy), 64 - max(0, -dy)), slice(max(0, dx), 64 - max(0, -dx)))
            energy = (a[here] ** 2 * inner_b[there]).sum() * (inner_a[here] * b[there] ** 2).sum()
            best = max(best, (a[here] * b[there]).sum() / np.sqrt(energy))
    assert pair.correlation == pytest.approx(best, abs=2e-3)


def test_cache_spares_the_work_and_follows_the_files(
    photographs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = duplicates.fingerprint
    monkeypatch.setattr(duplicates, "fingerprint", lambda path: made.append(Path(path).stem) or original(path))
    copies = []
    for name in ("eye", "scaled", "other"):
        copies.append(tmp_path / f"{name}.jpg")
        copies[-1].write_bytes(photographs[name].read_bytes())
    cache = tmp_path / "cache" / "fingerprints.npz"
    first = find_same_eyes(copies, cache_file=cache)
    assert [(pair.first, pair.second) for pair in first] == [(0, 1)]
    assert sorted(made) == ["eye", "other", "scaled"]
    assert find_same_eyes(copies, cache_file=cache) == first
    assert find_same_eyes(copies[:2], cache_file=cache) == first
    assert len(made) == 3
    copies[1].write_bytes(photographs["third"].read_bytes())
    assert find_same_eyes(copies, cache_file=cache) == []
    assert made[3:] == ["scaled"]
    cache.write_bytes(cache.read_bytes()[:500])
    assert find_same_eyes(copies, cache_file=cache) == []
    assert len(made) == 7
    assert find_same_eyes([], cache_file=cache) == []


def test_a_cache_that_cannot_be_written_is_done_without(photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pairs = find_same_eyes([photographs["eye"], photographs["scaled"]], cache_file=tmp_path / "file" / "cache.npz")
    assert len(pairs) == 1


def test_unreadable_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        find_same_eyes([tmp_path / "bad.jpg"])


@pytest.mark.real
def test_known_pairs_of_the_real_photographs(real_idrid: Path) -> None:
    part_a, part_b = (next(real_idrid.glob(f"{part}.*")) / "1. Original Images" / "a. Training Set" for part in "AB")
    copies = [(49, 308), (5, 82), (54, 314)]
    seconds = [(26, 299), (39, 271), (11, 83), (25, 347)]
    paths = [path for a, b in copies + seconds for path in (part_a / f"IDRiD_{a:02}.jpg", part_b / f"IDRiD_{b:03}.jpg")]
    alike = [183, 200, 124, 171, 367, 396]
    pairs = find_same_eyes(paths + [part_b / f"IDRiD_{number:03}.jpg" for number in alike])
    found = {(pair.first, pair.second): pair.correlation >= COPY for pair in pairs}
    assert found == {(2 * i, 2 * i + 1): i < 3 for i in range(7)}


def test_identical_files_are_found_by_their_bytes_alone(tmp_path: Path) -> None:
    contents = {"a": b"one", "b": b"two", "c": b"one", "empty": b"", "also_empty": b"", "d": b"longer"}
    paths = [tmp_path / name for name in (*contents, "absent")]
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert identical_files(paths) == [Duplicate(0, 2, 1.0)]
