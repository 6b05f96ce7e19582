"""Inference on request: the bundle's own `inference.json`, its answer as MONAI Label wants it."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from monailabel.interfaces.exception import ImageNotFoundException
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from shared.errors import DataError
from shared.label.names import label_colours, label_numbers
from shared.label.result import EXTENSIONS, Result, extension_of, read_result, volume_suffix, write_label
from shared.label.uncertainty import RecordUncertainty
from shared.predictor import Predictor

UNCERTAINTY = "uncertainty.json"
# Say where the image lay while it was read.
PLACES = ("photograph", "source")


class EyeInferTask(InferTask):
    """A bundle, kept open. MONAI Label's `BundleInferTask` would take transforms, network and inferer out of
    `inference.json` and leave its evaluator and handlers aside, and with them the checks of the weights, the chosen
    thresholds, volumes B-scan by B-scan, and the JSON.

    Args:
        root: the bundle's folder.
    """

    def __init__(self, root: Path) -> None:
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        image = metadata["network_data_format"]["inputs"]["image"]
        self.root, self.numbers, self.version = root, label_numbers(root), str(metadata["version"])
        self.predictor: Predictor | None = None
        self.model = root / "models" / "model.pt"
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=self.numbers,
            dimension=len(image["spatial_shape"]),
            description=metadata["description"],
            config={"result_extension": ["", *EXTENSIONS], "label_colors": label_colours(self.numbers)},
        )

    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = super().info()
        return info | {"version": self.version}

    def is_valid(self) -> bool:
        return self.model.is_file()

    def get_path(self, validate: bool = True) -> str | None:
        return str(self.model) if self.is_valid() or not validate else None

    def __call__(self, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Infer one image.

        Args:
            request: ``image`` (a file) and, if wanted, ``result_extension`` (of `EXTENSIONS`).

        Returns:
            the file of the label map, which the caller removes, and the findings.

        Raises:
            DataError: the image cannot be read, or is nothing for this bundle.
        """
        image = Path(str(request.get("image") or ""))
        if not image.is_file():
            raise ImageNotFoundException(f"Image {image.name!r} not found")
        extension = str(request.get("result_extension") or extension_of(image))
        if extension not in EXTENSIONS:
            raise DataError(
                f"result_extension is {extension!r}", expected=f"one of {', '.join(EXTENSIONS)}", fix="leave it out"
            )
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            result, uncertainty = self.read(image, Path(folder))
            with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
                target = Path(file.name)
            written = write_label(result, target, one_picture=not volume_suffix(image))
        findings = result.findings | {key: image.name for key in PLACES if key in result.findings}
        findings |= {"label_names": self.numbers, "label_colors": label_colours(self.numbers)}
        findings |= {"uncertainty": uncertainty, "latencies": {"total": round(time.monotonic() - started, 2)}}
        if not written:
            target.unlink()
        return (str(target) if written else None), findings

    def read(self, image: Path, folder: Path) -> tuple[Result, dict[str, float]]:
        """Infer an image into a folder; returns what was found and how uncertain that is."""
        given = folder / "image"
        given.mkdir()
        # A folder, for a single B-scan is to the bundles of volumes a folder of B-scans.
        (given / image.name).symlink_to(image)
        try:
            output = self._open()(given, output_dir=folder / "output")
        except DataError as error:
            received = error.received.replace(f"{given}/", "").replace(str(given), image.name)
            raise DataError(received, expected=error.expected, fix="send an image that this model reads") from error
        return read_result(output, self.numbers), json.loads((output / UNCERTAINTY).read_text(encoding="utf-8"))

    def uncertainty(self, image: Path) -> dict[str, float]:
        """How uncertain the network is about an image, by measure.

        Raises:
            DataError: the image cannot be read, or is nothing for this bundle.
        """
        with tempfile.TemporaryDirectory() as folder:
            return self.read(image, Path(folder))[1]

    def _open(self) -> Predictor:
        if self.predictor is None:
            config = json.loads((self.root / "configs" / "inference.json").read_text(encoding="utf-8"))
            recorder = {
                "_target_": f"{RecordUncertainty.__module__}.{RecordUncertainty.__name__}",
                "path": f"$@output_dir + '/{UNCERTAINTY}'",
                "network": "@network",
                "tasks": "@tasks" if "tasks" in config else None,
            }
            self.predictor = Predictor(self.root, handlers=[*config["handlers"], recorder])
        return self.predictor
