"""The application that MONAI Label loads: every bundle of its `model` folder, to infer, to train, to be asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.exception import ImageNotFoundException
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import shared
from shared.label.server.batch import EyeBatchInfer
from shared.label.server.datastore import PATTERNS, CheckedDatastore
from shared.label.server.infer import EyeInferTask
from shared.label.server.strategies import MostUncertain
from shared.label.server.train import EyeTrainTask
from shared.label.uncertainty import DISAGREEMENT, ENTROPY

MODELS = "model"


class EyeApp(MONAILabelApp):
    """The bundles of ``app_dir/model`` on one folder of images.

    Args:
        app_dir: made by `shared.label.build.build_app`.
        studies: the folder of images.
        conf: of MONAI Label; nothing in it is read here.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        folders = sorted((Path(app_dir) / MODELS).iterdir())
        self.roots = {path.name: path for path in folders if (path / "configs" / "inference.json").is_file()}
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="MONAI Eye Bundles",
            description="Fundus photographs, OCT and the example of pets. Research only: not a medical device.",
            version=shared.__version__,
        )

    def init_datastore(self) -> CheckedDatastore:
        """The folder of images, which takes in nothing that cannot be read."""
        return CheckedDatastore(
            self.studies,
            extensions=PATTERNS,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def init_infers(self) -> dict[str, EyeInferTask]:
        return {name: EyeInferTask(root) for name, root in self.roots.items()}

    def init_trainers(self) -> dict[str, EyeTrainTask]:
        folder = Path(self.app_dir) / "runs"
        return {name: EyeTrainTask(root, runs=folder) for name, root in self.roots.items()}

    def init_strategies(self) -> dict[str, Any]:
        own = {measure: MostUncertain(measure, self._infers) for measure in (ENTROPY, DISAGREEMENT)}
        return {"random": Random(), "first": First()} | own

    def init_batch_infer(self) -> EyeBatchInfer:
        return EyeBatchInfer()

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """As MONAI Label's, for images of the datastore and uploaded ones alone, not for any file of this computer.

        Raises:
            ImageNotFoundException: there is no such image.
        """
        image = str(request.get("image", ""))
        store = datastore or self.datastore()
        if not (store.get_image_uri(image) or "session" in request or _is_upload(image)):
            raise ImageNotFoundException(f"Image {image!r} not found; GET /datastore/?output=all lists what there is")
        answer: dict[str, Any] = super().infer(request, datastore)
        return answer


def _is_upload(image: str) -> bool:
    """Whether it is a file as the server's own endpoint puts an upload down: directly in the temporary folder."""
    path = Path(image)
    return path.is_absolute() and path.parent == Path(tempfile.gettempdir()) and path.is_file()
