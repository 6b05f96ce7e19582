"""Phantoms: the official layout with its quirks, grades that follow from what is drawn, and safe building."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label, regionprops

from shared.errors import ConfigError, DataError
from shared.phantoms import only_one
from shared.workflow.enter import forget_scripts, use_scripts_of

BUNDLE = Path(__file__).resolve().parents[3] / "bundles" / "idrid_moe_mtl"
HEIGHT, WIDTH = 267, 402
PARAMETERS: dict[str, Any] = {"num_masked": (8, 4), "num_graded": (24, 8), "size": (HEIGHT, WIDTH), "seed": 0}
TINY: dict[str, Any] = {"num_masked": (2, 1), "num_graded": (4, 2), "size": (178, 268), "seed": 1}
KINDS = {"MA": "1. Microaneurysms", "HE": "2. Haemorrhages", "EX": "3. Hard Exudates", "SE": "4. Soft Exudates"}
KINDS["OD"] = "5. Optic Disc"
SPLITS = {"train": "a. Training Set", "test": "b. Testing Set"}
PARTS = {"A": "A. Segmentation", "B": "B. Disease Grading"}
Array = NDArray[Any]


class Built(NamedTuple):
    """A finished phantom data set."""

    folder: Path
    facts: dict[str, Any]

    def photograph(self, name: str) -> Path:
        part, split, stem = name.split("/")
        return self.folder / PARTS[part] / "1. Original Images" / SPLITS[split] / f"{stem}.jpg"

    def mask_file(self, name: str, kind: str) -> Path:
        _, split, stem = name.split("/")
        truth = self.folder / PARTS["A"] / "2. All Segmentation Groundtruths"
        return truth / SPLITS[split] / KINDS[kind] / f"{stem}_{kind}.tif"

    def mask(self, name: str, kind: str) -> Array:
        """The mask [H,W] as the files say: red channel of RGBA, zeros where there is no file."""
        if not self.mask_file(name, kind).exists():
            return np.zeros(PARAMETERS["size"], bool)
        pixels = np.array(Image.open(self.mask_file(name, kind)))
        return (pixels if pixels.ndim == 2 else pixels[..., 0]) > 0

    def names(self, part: str) -> list[str]:
        return [name for eye in self.facts["eyes"] for name in eye["photographs"] if name.startswith(part)]

    def eye(self, name: str) -> dict[str, Any]:
        return next(eye for eye in self.facts["eyes"] if name in eye["photographs"])


@pytest.fixture(scope="module")
def phantoms() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        forget_scripts()
        use_scripts_of(str(BUNDLE))
        yield importlib.import_module("scripts.phantoms")
        forget_scripts()


@pytest.fixture(scope="module")
def built(phantoms: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = phantoms.ensure_phantoms(tmp_path_factory.mktemp("phantoms"), progress=False, **PARAMETERS)
    return Built(folder, phantoms.phantom_facts(folder))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_bytes_depend_on_the_seed_and_not_on_the_number_of_workers(phantoms: ModuleType, tmp_path: Path) -> None:
    made = [
        phantoms.make_phantoms(tmp_path / str(n), workers=workers, progress=False, **(TINY | {"seed": seed}))
        for n, (workers, seed) in enumerate([(1, 1), (2, 1), (1, 2)])
    ]
    serial, parallel, other = map(digests, made)
    assert serial == parallel
    assert serial["A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg"] not in other.values()


def test_layout_is_the_official_one(built: Built) -> None:
    assert sorted(built.names("A/train")) == [f"A/train/IDRiD_{n:02d}" for n in range(1, 9)]
    assert sorted(built.names("A/test")) == [f"A/test/IDRiD_{n:02d}" for n in range(9, 13)]
    assert sorted(built.names("B/train")) == [f"B/train/IDRiD_{n:03d}" for n in range(1, 25)]
    assert sorted(built.names("B/test")) == [f"B/test/IDRiD_{n:03d}" for n in range(1, 9)]
    expected = {built.photograph(name) for part in "AB" for name in built.names(part)}
    assert set(built.folder.rglob("*.jpg")) == expected
    for name in expected:
        with Image.open(name) as picture:
            picture.load()
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (WIDTH, HEIGHT))
    tables = {str(path.relative_to(built.folder)) for path in built.folder.rglob("*.csv")}
    discs, foveas = "C. Localization/2. Groundtruths/1. Optic Disc Center Location", "2. Fovea Center Location"
    assert tables == {
        "B. Disease Grading/2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv",
        "B. Disease Grading/2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv",
        f"{discs}/a. IDRiD_OD_Center_Training Set_Markups.csv",
        f"{discs}/b. IDRiD_OD_Center_Testing Set_Markups.csv",
        f"C. Localization/2. Groundtruths/{foveas}/IDRiD_Fovea_Center_Training Set_Markups.csv",
        f"C. Localization/2. Groundtruths/{foveas}/IDRiD_Fovea_Center_Testing Set_Markups.csv",
    }


def test_masks_are_one_bit_palettes_but_one(built: Built) -> None:
    modes: dict[str, list[str]] = {}
    for name in built.names("A"):
        for kind in KINDS:
            if not built.mask_file(name, kind).exists():
                continue
            with Image.open(built.mask_file(name, kind)) as mask:
                modes.setdefault(mask.mode, []).append(f"{name} {kind}")
                assert mask.size == (WIDTH, HEIGHT)
                assert mask.info["compression"] in ("tiff_adobe_deflate", "tiff_lzw")
                if mask.mode == "P":
                    assert mask.tag_v2[258] == (1,)  # type: ignore[attr-defined]
                    assert (mask.getpalette() or [])[:6] == [0, 0, 0, 255, 0, 0]
                    assert set(np.unique(np.array(mask))) == {0, 1}
                else:
                    channels_HW4 = np.array(mask)
                    assert (channels_HW4[..., 3] == 255).all()
                    assert set(np.unique(channels_HW4[..., 0])) == {0, 255}
                    assert not channels_HW4[..., 1:3].any()
    assert modes.keys() == {"P", "RGBA"}
    assert modes["RGBA"] == ["A/test/IDRiD_12 EX"]


def test_absent_lesions_have_no_file(built: Built) -> None:
    missing = [(name, kind) for name in built.names("A") for kind in KINDS if not built.mask_file(name, kind).exists()]
    assert {kind for _, kind in missing} == {"HE", "SE"}
    for name, kind in missing:
        assert built.eye(name)["lesion_pixels"][kind] == 0
    for name in built.names("A"):
        for kind in KINDS:
            assert built.mask(name, kind).sum() == built.eye(name)["lesion_pixels"][kind]


@pytest.mark.parametrize(("split", "number", "extra"), [("train", 24, 9), ("test", 8, 0)])
def test_grading_table(built: Built, split: str, number: int, extra: int) -> None:
    folder = built.folder / "B. Disease Grading" / "2. Groundtruths"
    path = next(folder.glob("a.*" if split == "train" else "b.*"))
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == number + 1
    header, *graded = rows(path)
    assert header == ["Image name", "Retinopathy grade", "Risk of macular edema ", *[""] * extra]
    assert len(graded) == number
    for stem, retinopathy, macular, *rest in graded:
        assert built.eye(f"B/{split}/{stem}")["grades"] == {"RG": int(retinopathy), "MER": int(macular)}
        assert rest == [""] * extra


def test_grades_are_distributed_as_in_idrid(phantoms: ModuleType) -> None:
    plan = importlib.import_module("scripts.phantoms.plan").plan_eyes(num_masked=(54, 27), num_graded=(413, 103))
    findings = {p.name: eye.findings for eye in plan for p in eye.photographs if p.part == "B"}
    assert len(findings) == 516
    retinopathy = np.bincount([f.retinopathy for f in findings.values()]) / 516
    macular = np.bincount([f.macular for f in findings.values()]) / 516
    np.testing.assert_allclose(retinopathy, [0.335, 0.05, 0.325, 0.174, 0.116], atol=0.012)
    np.testing.assert_allclose(macular, [0.443, 0.101, 0.456], atol=0.012)


def test_official_numbers_of_twins(phantoms: ModuleType) -> None:
    plan = importlib.import_module("scripts.phantoms.plan").plan_eyes(num_masked=(54, 27), num_graded=(413, 103))
    pairs = [tuple(p.name.rsplit("/", 1)[0] for p in eye.photographs) for eye in plan if len(eye.photographs) > 1]
    counts = {pair: pairs.count(pair) for pair in set(pairs)}
    assert counts == {
        ("A/train", "B/train"): 42,
        ("A/train", "B/test"): 3,
        ("A/test", "B/train"): 15,
        ("B/train", "B/train"): 3,
        ("B/train", "B/test"): 3,
    }
    names = [p.name for eye in plan for p in eye.photographs]
    assert len(names) == len(set(names)) == 54 + 27 + 413 + 103
    assert all(
        len(eye.photographs) == 1
        for eye in importlib.import_module("scripts.phantoms.plan").plan_eyes(
            num_masked=(4, 2), num_graded=(3, 0), twins=0.0
        )
    )


def test_grades_follow_from_what_the_files_show(built: Built) -> None:
    seen = set()
    for name in built.names("A"):
        eye = built.eye(name)
        fovea_y, fovea_x = eye["fovea_yx"]
        bleedings = regionprops(label(built.mask(name, "HE"), connectivity=2))
        quadrants = np.zeros((2, 2), int)
        for bleeding in bleedings:
            quadrants[int(bleeding.centroid[0] > fovea_y), int(bleeding.centroid[1] > fovea_x)] += 1
        shown = {kind: bool(built.mask(name, kind).any()) for kind in KINDS}
        if eye["new_vessels_yx_radius"]:
            retinopathy = 4
        elif quadrants.min() >= 4:
            retinopathy = 3
        elif shown["HE"] or shown["EX"] or shown["SE"]:
            retinopathy = 2
        else:
            retinopathy = int(shown["MA"])
        ys, xs = np.nonzero(built.mask(name, "EX"))
        distance = np.hypot(ys - fovea_y, xs - fovea_x).min(initial=np.inf) / eye["disc_diameter"]
        macular = 0 if not shown["EX"] else 2 if distance <= 1 else 1
        assert {"RG": retinopathy, "MER": macular} == eye["grades"], name
        seen.add((retinopathy, macular))
    assert {retinopathy for retinopathy, _ in seen} == {2, 3, 4}
    assert {macular for _, macular in seen} == {1, 2}


def test_masks_are_disjoint_and_inside_the_view(built: Built) -> None:
    for name in built.names("A"):
        masks_SHW = np.stack([built.mask(name, kind) for kind in KINDS])
        assert masks_SHW.sum(0).max() == 1, name
        red_HW = np.array(Image.open(built.photograph(name)))[..., 0]
        assert red_HW[masks_SHW.any(0)].min() > 10, name


def test_lesions_look_as_they_should(built: Built) -> None:
    """Green channel, inside a lesion against a band around it: dark lesions darker, bright ones brighter."""
    ratios: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for name in built.names("A"):
        green_HW = np.array(Image.open(built.photograph(name)))[..., 1].astype(float)
        any_HW = np.any([built.mask(name, kind) for kind in KINDS], axis=0)
        for kind in KINDS:
            for region in regionprops(label(built.mask(name, kind))):
                top, left, bottom, right = region.bbox
                window = (slice(max(0, top - 4), bottom + 4), slice(max(0, left - 4), right + 4))
                inside = built.mask(name, kind)[window]
                around = green_HW[window][~any_HW[window]]
                ratios[kind].append(float(green_HW[window][inside].mean() / np.median(around)))
    medians = {kind: float(np.median(values)) for kind, values in ratios.items()}
    assert medians["MA"] < 0.9
    assert medians["HE"] < 0.8
    assert medians["EX"] > 1.15
    assert medians["SE"] > 1.1
    assert medians["OD"] > 1.2


def test_foreground_fractions_are_idrids(phantoms: ModuleType) -> None:
    """Real ones where a mask exists: MA 0.10 %, HE 1.03 %, EX 0.90 %, SE 0.38 %, OD 1.78 %."""
    draw_eye = importlib.import_module("scripts.phantoms.eye").draw_eye
    findings = importlib.import_module("scripts.phantoms.lesions").Findings
    real = {"MA": 0.10, "HE": 1.03, "EX": 0.90, "SE": 0.38, "OD": 1.78}
    drawn = [draw_eye(findings(2 + n % 2, 2, True, True), size=(534, 804), seed=(5, n)).masks for n in range(8)]
    for kind, percent in real.items():
        fraction = 100 * np.mean([masks[kind].mean() for masks in drawn])
        assert percent / 2.5 < fraction < percent * 2.5, (kind, fraction)


def test_twins_show_the_same_eye_and_others_do_not(built: Built) -> None:
    def small(name: str) -> Array:
        picture = Image.open(built.photograph(name)).convert("L").resize((134, 89), Image.Resampling.BOX)
        return np.asarray(picture, dtype=float)

    twins = built.facts["twins"]
    kinds = {tuple(name.rsplit("/", 1)[0] for name in group) for group in twins}
    assert {("A/train", "B/train"), ("A/train", "B/test"), ("A/test", "B/train"), ("B/train", "B/train")} <= kinds
    encodings = {built.eye(group[0])["photographs"][group[1]] for group in twins}
    assert encodings == {"re-encoded", "byte-identical"}
    for first, second in twins:
        same = built.photograph(first).read_bytes() == built.photograph(second).read_bytes()
        assert same == (built.eye(first)["photographs"][second] == "byte-identical")
        assert np.abs(small(first) - small(second)).mean() < 1.0
    strangers = [eye for eye in built.facts["eyes"] if len(eye["photographs"]) == 1][:6]
    pictures = [small(next(iter(eye["photographs"]))) for eye in strangers]
    for n, first_HW in enumerate(pictures):
        assert all(np.abs(first_HW - second_HW).mean() > 5 for second_HW in pictures[n + 1 :])


@pytest.mark.parametrize("place", ["disc", "fovea"])
def test_centres_table(built: Built, place: str) -> None:
    folder = built.folder / "C. Localization" / "2. Groundtruths"
    path = next(folder.glob("*Disc*/a.*" if place == "disc" else "*Fovea*/*Training*"))
    header, *found = rows(path)
    assert header == ["Image No", "X- Coordinate", "Y - Coordinate", *[""] * 45]
    filled = [row for row in found if row[0]]
    assert len(filled) == 24
    assert len(found) > 28
    assert all(row == [""] * 48 for row in found[24:])
    for stem, x, y, *_ in filled:
        true_y, true_x = built.eye(f"B/train/{stem}")[f"{place}_yx"]
        assert abs(int(x) - true_x) <= 0.51
        assert abs(int(y) - true_y) <= 0.51


def test_disc_mask_lies_where_its_centre_is_said_to_be(built: Built) -> None:
    for name in built.names("A"):
        eye, mask_HW = built.eye(name), built.mask(name, "OD")
        ys, xs = np.nonzero(mask_HW)
        if xs.min() > 0.09 * WIDTH and xs.max() < 0.84 * WIDTH:
            assert np.hypot(ys.mean() - eye["disc_yx"][0], xs.mean() - eye["disc_yx"][1]) < 1.5
            assert np.sqrt(4 * mask_HW.sum() / np.pi) == pytest.approx(eye["disc_diameter"], rel=0.04)


def test_says_what_it_is(built: Built, phantoms: ModuleType) -> None:
    assert phantoms.is_phantom(built.folder)
    assert not phantoms.is_phantom(built.folder.parent)
    assert "not photographs" in (built.folder / "PHANTOMS.txt").read_text()
    with Image.open(built.photograph("B/test/IDRiD_001")) as picture:
        assert b"PHANTOM" in picture.info["comment"]
        corner = np.array(picture)[int(0.9 * HEIGHT) :, int(0.77 * WIDTH) :]
    assert (corner.min(-1) > 80).sum() > 60, "the label PHANTOM is written in the lower right corner"


@pytest.mark.parametrize("size", [(178, 268), (300, 300), (1000, 1504)])
def test_any_size(phantoms: ModuleType, size: tuple[int, int]) -> None:
    draw_eye = importlib.import_module("scripts.phantoms.eye").draw_eye
    findings = importlib.import_module("scripts.phantoms.lesions").Findings
    drawn = draw_eye(findings(4, 2, True, True), size=size, seed=(1,))
    assert drawn.image.shape == (*size, 3)
    assert drawn.image.dtype == np.uint8
    for kind, mask_HW in drawn.masks.items():
        assert mask_HW.shape == size
        smallest = min(region.area for region in regionprops(label(mask_HW, connectivity=2)))
        assert smallest >= 3, f"{kind} has a radius of at least a pixel"


def test_same_anatomy_at_every_size(phantoms: ModuleType) -> None:
    draw_eye = importlib.import_module("scripts.phantoms.eye").draw_eye
    findings = importlib.import_module("scripts.phantoms.lesions").Findings
    large, small = (draw_eye(findings(0, 0, False, False), size=size, seed=(8,)) for size in ((712, 1072), (356, 536)))
    assert (np.array(large.fovea) + 0.5) / 2 == pytest.approx(np.array(small.fovea) + 0.5)
    shrunk_HW3 = np.asarray(Image.fromarray(large.image).resize((536, 356), Image.Resampling.BOX), float)
    assert np.abs(shrunk_HW3 - small.image).mean() < 3.0


def test_reused_when_there_and_apart_when_different(phantoms: ModuleType, tmp_path: Path) -> None:
    first = phantoms.ensure_phantoms(tmp_path, progress=False, **TINY)
    before = (first / "phantoms.json").stat().st_mtime_ns
    assert phantoms.ensure_phantoms(tmp_path, progress=False, **TINY) == first
    assert (first / "phantoms.json").stat().st_mtime_ns == before
    as_json = json.loads(json.dumps(TINY))
    assert phantoms.phantom_dir(tmp_path, **as_json) == first
    assert phantoms.phantom_dir(tmp_path, **(TINY | {"seed": 9})) != first
    with pytest.raises(DataError, match="not empty"):
        phantoms.make_phantoms(first, progress=False, **TINY)


def test_interrupted_build_leaves_nothing(
    phantoms: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(phantoms, "write_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        phantoms.make_phantoms(tmp_path / "set", progress=False, **TINY)
    assert list(tmp_path.iterdir()) == []


def start_building(root: Path, parameters: dict[str, Any]) -> subprocess.Popen[str]:
    code = "import json,sys; from scripts.phantoms import ensure_phantoms; "
    code += "print(ensure_phantoms(sys.argv[1], **json.loads(sys.argv[2])))"
    search = os.pathsep.join([str(BUNDLE), str(BUNDLE.parents[1])])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root), json.dumps(parameters | {"progress": False})],
        env=os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_build_is_never_taken_for_finished(phantoms: ModuleType, tmp_path: Path) -> None:
    slow = TINY | {"num_graded": (300, 0), "workers": 1}
    builder = start_building(tmp_path, slow)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.jpg")) and time.monotonic() < deadline:
        assert builder.poll() is None, builder.stderr.read() if builder.stderr else ""
        time.sleep(0.02)
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    folder = phantoms.phantom_dir(tmp_path, **{key: slow[key] for key in TINY})
    assert not folder.exists()
    left_over = next(tmp_path.glob(f".{folder.name}.building-*"))
    with only_one(folder):
        assert not left_over.exists(), "the next builder clears what the killed one left"


def test_two_processes_at_once_make_one_good_set(phantoms: ModuleType, tmp_path: Path) -> None:
    builders = [start_building(tmp_path / "shared", TINY) for _ in range(2)]
    outputs = [builder.communicate(timeout=120) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], outputs
    folder = phantoms.phantom_dir(tmp_path / "shared", **TINY)
    assert [stdout.strip() for stdout, _ in outputs] == [str(folder)] * 2
    alone = phantoms.make_phantoms(tmp_path / "alone", workers=1, progress=False, **TINY)
    assert digests(folder) == digests(alone)


def test_works_inside_a_daemonic_process(phantoms: ModuleType, tmp_path: Path) -> None:
    """Data loader workers are daemonic and may not start multiprocessing children; programs they may."""
    spawned = multiprocessing.get_context("spawn").Process(
        target=phantoms.make_phantoms, args=(tmp_path / "set",), kwargs={**TINY, "workers": 2, "progress": False}
    )
    spawned.daemon = True
    spawned.start()
    spawned.join(120)
    assert spawned.exitcode == 0
    assert phantoms.is_phantom(tmp_path / "set")


@pytest.mark.parametrize(
    "wrong",
    [{"size": (100, 150)}, {"twins": 1.5}, {"num_masked": (3,)}, {"num_graded": (4, -1)}, {"size": (2848, 9000)}],
)
def test_wrong_parameters_are_refused(phantoms: ModuleType, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        phantoms.ensure_phantoms(tmp_path, **(TINY | wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_unwritable_place_is_named(phantoms: ModuleType, tmp_path: Path, workers: int) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DataError, match="cannot be written"):
        phantoms.ensure_phantoms(blocked, workers=workers, progress=False, **TINY)


def test_failing_worker_is_reported(phantoms: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = importlib.import_module("shared.phantoms.workers")
    real = work.subprocess.Popen

    def full_disk(command: list[str], **options: Any) -> Any:
        failing = "import sys; print('OSError: [Errno 28] No space left on device'); sys.exit(1)"
        return real([command[0], "-c", failing], **options)

    monkeypatch.setattr(work.subprocess, "Popen", full_disk)
    with pytest.raises(DataError, match="No space left on device"):
        phantoms.make_phantoms(tmp_path / "set", workers=2, progress=False, **TINY)
    assert list(tmp_path.iterdir()) == []
