"""The rows of the table: what is compared with what, and how equal the two must be."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.latency import LatencyWork
from benchmarks.loader import LoaderWork
from benchmarks.network import NetworkWork
from benchmarks.pets_loader import PetsLoaderWork
from benchmarks.photographs import FULL_SIZE
from benchmarks.semi_supervised import SemiSupervisedWork
from benchmarks.work import Side

Results = Mapping[str, NDArray]
GROUPS = ("sparse", "training", "inference", "loader", "latency", "semi_supervised", "pets_loader")


class Options(NamedTuple):
    """``size`` (height, width) and ``batch`` of the networks' photographs; ``photo_size`` of phantoms, where
    ``dataset_dir`` asks for them; ``canvas`` (height, width) of the latency rows, None: the bundle's own;
    ``scan_size`` (height, width) of the semi-supervised rows; ``pets_dir``: Oxford-IIIT Pet's folder, phantoms or auto,
    of which ``num_pets`` are loaded."""

    size: tuple[int, int] = (356, 536)
    batch: int = 2
    backbone: str = "resnet50"
    dataset_dir: str = "auto"
    device: str = "cpu"
    photo_size: tuple[int, int] = FULL_SIZE
    canvas: tuple[int, int] | None = None
    scan_size: tuple[int, int] = (256, 256)
    pets_dir: str = "auto"
    num_pets: int = 64


class Agreement(NamedTuple):
    """How far two results differ, in words, and whether that is within the tolerance."""

    text: str
    within: bool


class Case(NamedTuple):
    """One row: ``reference`` against ``ours`` (either may stand alone as None), the ratio aimed at, and ``agree`` for
    (ours, reference, exact)."""

    group: str
    name: str
    reference: Side | None
    ours: Side
    aim: float | None = None
    agree: Callable[[Results, Results, bool], Agreement] | None = None
    steps: int = 1


def relative_error(
    ours: Results, reference: Results, exact: bool, *, gradients: tuple[float, float] = (1e-4, 1e-1)
) -> Agreement:
    """Norm of the difference over norm of the reference: of the outputs, loss terms and gradients each.

    Float32: 1e-5 (outputs, losses) and ``gradients[0]`` (summed in another order). Reduced precision: 5e-2 and
    ``gradients[1]``.
    """
    if ours.keys() != reference.keys():
        return Agreement(f"different keys: {sorted(set(ours) ^ set(reference))[:4]}", False)
    texts, within = [], True
    for kind, tight, loose in (("output", 1e-5, 5e-2), ("loss", 1e-5, 5e-2), ("gradient", *gradients)):
        names = [name for name in reference if kind_of(name) == kind]
        if names:
            squares = [np.square(ours[name] - reference[name], dtype=np.float64).sum() for name in names]
            norms = [np.square(reference[name], dtype=np.float64).sum() for name in names]
            error = float(np.sqrt(sum(squares) / max(sum(norms), 1e-30)))
            texts.append(f"{kind} {error:.0e}")
            within &= error <= (tight if exact else loose)
    return Agreement(", ".join(texts), bool(within))


def kind_of(name: str) -> str:
    words = name.split()
    return words[1] if len(words) > 1 and words[1] in ("loss", "gradient") else "output"


def same_canvas(ours: Results, reference: Results, exact: bool) -> Agreement:
    """Mean absolute difference in grey values (at most 2 of 255), and the smallest Dice of a mask (at least .99)."""
    differences, dices = [], []
    for name, value in reference.items():
        other = ours[name]
        if name.startswith("image"):
            differences.append(float(np.abs(other.astype(np.int16) - value).mean()))
        else:
            for one, two in zip(other.astype(bool), value.astype(bool), strict=True):
                total = int(one.sum() + two.sum())
                dices.append(2 * int((one & two).sum()) / total if total else 1.0)
    text = f"mean grey difference {max(differences):.2f}, Dice {min(dices):.3f}"
    return Agreement(text, max(differences) <= 2.0 and min(dices) >= 0.99)


def equal_arrays(ours: Results, reference: Results, exact: bool) -> Agreement:
    """Every array the same in shape, type and value."""
    differing = [
        name
        for name in sorted(ours.keys() | reference.keys())
        if name not in ours
        or name not in reference
        or ours[name].dtype != reference[name].dtype
        or not np.array_equal(ours[name], reference[name])
    ]
    text = f"{len(differing)} of {len(reference)} arrays differ: {differing[0]}" if differing else "identical arrays"
    return Agreement(text, not differing)


def all_cases(options: Options) -> list[Case]:
    """All rows, in the order of the table."""
    network = {key: getattr(options, key) for key in ("size", "batch", "backbone", "device")}
    return [
        *sparse_cases(network),
        *design_cases(network),
        *loader_cases(options),
        *latency_cases(options),
        *semi_supervised_cases(options),
        *pets_loader_cases(options),
    ]


def sparse_cases(network: dict[str, Any]) -> list[Case]:
    """Sparse against dense-masked dispatch: same network, routing and precision."""

    def side(dispatch: str, **more: Any) -> Side:
        return Side(NetworkWork, network | {"design": "ours", "dispatch": dispatch} | more)

    return [
        Case(
            "sparse",
            f"{what}, {experts} of 3 experts",
            side("dense", experts=experts, batches=batches),
            side("sparse", experts=experts, batches=batches),
            agree=relative_error,
            steps=max(1, len(batches)),
        )
        for what, batches in (("inference", ()), ("training step, all labels", ("joint",)))
        for experts in ("1", "1.5", "3")
    ]


def design_cases(network: dict[str, Any]) -> list[Case]:
    """Our network as the bundle runs it, against the published design."""

    def case(group: str, name: str, aim: float, *, amp: bool = True, **more: Any) -> Case:
        reference = Side(NetworkWork, network | {"design": "reference"} | more)
        ours = Side(NetworkWork, network | {"design": "ours", "amp": amp} | more)
        steps = max(1, len(more.get("batches", ())))
        return Case(group, name, reference, ours, aim, relative_error, steps)

    both = ("segmentation", "classification")
    cases = [
        case("training", f"{name}, {when}", 2.0, experts=experts, batches=batches)
        for when, experts in (("all experts (first half)", "gate"), ("top-p (second half)", "1.5"))
        for name, batches in (
            ("segmentation batch", both[:1]),
            ("classification batch", both[1:]),
            ("one batch of each", both),
        )
    ]
    cases.append(
        case("training", "one batch of each, all experts, float32", 2.0, amp=False, experts="gate", batches=both)
    )
    cases += [case("inference", f"{experts} of 3 experts", 4.0, experts=experts) for experts in ("1", "1.5", "3")]
    return [*cases, case("inference", "3 of 3 experts, float32", 4.0, amp=False, experts="3")]


def loader_cases(options: Options) -> list[Case]:
    """The loader against decoding at full size each time, on the published canvas and on the bundle's."""
    canvases: dict[str, dict[str, Any]] = {
        "1072x712, whole photograph": {"image_size": (712, 1072), "crop": "none"},
        "880x736, field of view": {"image_size": (736, 880), "fov_diameter": 864},
    }

    def side(way: str, canvas: dict[str, Any]) -> Side:
        data = {"dataset_dir": options.dataset_dir, "photo_size": options.photo_size}
        return Side(LoaderWork, {"way": way, "canvas": canvas} | data)

    return [
        Case("loader", f"{name}, {what}", side("full", canvas), side(way, canvas), aim, same_canvas)
        for name, canvas in canvases.items()
        for way, what, aim in (("first", "first pass", None), ("cached", "every later pass", 20.0))
    ]


def latency_cases(options: Options) -> list[Case]:
    """File to files, alone: time, where it goes, and memory."""

    def side(overlays: tuple[str, ...] = (), **keys: Any) -> Side:
        if options.canvas is not None:
            # The window stays, the field of view shrinks with the canvas.
            keys |= {"image_size": options.canvas, "patch_size": (64, 96), "fov_diameter": 120}
        keys |= {"backbone": options.backbone, "device": f"$torch.device('{options.device}')"}
        data = {"dataset_dir": options.dataset_dir, "photo_size": options.photo_size}
        return Side(LatencyWork, {"keys": keys, "overlays": overlays} | data)

    fine = ("high_resolution.json",)
    return [
        Case("latency", "whole, inference.json", None, side()),
        Case("latency", "windows, high_resolution.json", None, side(fine)),
        Case("latency", "windows, high_resolution.json at fov_diameter 3400", None, side(fine, fov_diameter=3400)),
    ]


def semi_supervised_cases(options: Options) -> list[Case]:
    """A mean-teacher step on 5 + 1 B-scans, against the published one.

    The tolerance of gradients in reduced precision is wider: fifty layers deep, frozen, on noise.
    """
    agree = functools.partial(relative_error, gradients=(1e-4, 3e-1))

    def case(name: str, aim: float | None, *, backbone: str = options.backbone, amp: bool = True, **more: Any) -> Case:
        common = {"size": options.scan_size, "backbone": backbone, "device": options.device}
        reference = Side(SemiSupervisedWork, common | {"design": "reference"} | more)
        ours = Side(SemiSupervisedWork, common | {"design": "ours", "amp": amp})
        return Case("semi_supervised", name, reference, ours, aim, agree)

    return [
        case("mean teacher step, as published", 2.5),
        case("mean teacher step, reference's teacher without gradients", None, teacher_gradients=False),
        case("mean teacher step, float32", None, amp=False),
        case("mean teacher step, VGG-19-BN", 2.5, backbone="vgg19_bn"),
    ]


def pets_loader_cases(options: Options) -> list[Case]:
    """Every pet from mapped arrays, against the published four HDF5 files and against its own files."""

    def case(name: str, way: str, aim: float | None) -> Case:
        common = {"dataset_dir": options.pets_dir, "number": options.num_pets}
        return Case(
            "pets_loader",
            name,
            Side(PetsLoaderWork, {"way": way} | common),
            Side(PetsLoaderWork, {"way": "mapped"} | common),
            aim,
            equal_arrays,
        )

    return [
        case("HDF5 opened for every sample, as published", "hdf5", 5.0),
        case("HDF5 opened once", "hdf5_kept", None),
        case("JPEG, trimap and box decoded each time", "files", 5.0),
    ]
