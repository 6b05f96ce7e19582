"""One site of a federation: MONAI's client algorithm around a bundle and the site's own images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject
from torch import Tensor

from shared.errors import ConfigError
from shared.federated.average import State
from shared.study.stages import read_configs
from shared.workflow.enter import use_scripts_of
from shared.workflow.keys import check_overrides, keys_by_file

FEDERATED = "federated"


class Update(NamedTuple):
    """What a site sends back: its weights, the number of its training images, the mean loss of its last epoch."""

    weights: State
    samples: int
    loss: float


class Site:
    """A site that trains a bundle on its own images when it is sent weights.

    Training and validation are those of `train.json` with `federated.json` appended; the optimiser's state and the
    learned weights of losses stay at the site.

    Args:
        bundle: its folder.
        name: of the site.
        output_dir: the site's folder.
        overlays: names of configuration files between `train.json` and `federated.json`.
        keys: top-level keys of the configuration; ``dataset_dir`` is the site's data, ``max_epochs`` the length of the
            schedule over all rounds.
        local_epochs: between two exchanges.

    Raises:
        ConfigError: no such bundle or overlay, or a key that has no effect.
        EyeBundlesError: what the bundle's own start refuses.
    """

    def __init__(
        self,
        *,
        bundle: str | Path,
        name: str,
        output_dir: str | Path,
        overlays: Sequence[str] = (),
        keys: Mapping[str, Any],
        local_epochs: int = 1,
    ) -> None:
        self.root, self.name = Path(bundle).resolve(), name
        files = configuration_files(self.root, overlays)
        check_overrides(keys, read_configs(files), elsewhere=keys_by_file(self.root / "configs"))
        listed = [str(file.relative_to(self.root)) for file in files]
        given = dict(keys) | {"output_dir": str(output_dir), "run_name": name}
        self.algo = MonaiAlgo(
            bundle_root=str(self.root),
            local_epochs=local_epochs,
            send_weight_diff=False,
            config_train_filename=listed,
            config_evaluate_filename=listed,
            train_kwargs=dict(given),
            eval_kwargs=dict(given),
        )
        use_scripts_of(str(self.root))
        self.algo.initialize({ExtraItems.CLIENT_NAME: name})

    @property
    def workflow(self) -> Any:
        """Of training."""
        return self.algo.train_workflow

    @property
    def samples(self) -> int:
        """Number of training images."""
        return len(self.workflow.train_dataset_data)

    @property
    def validation_samples(self) -> int:
        """Number of validation images."""
        return len(self.algo.eval_workflow.val_dataset_data)  # type: ignore[union-attr]

    @property
    def is_phantom(self) -> bool:
        """Whether its images are phantoms."""
        return bool(self.workflow.parser.get_parsed_content("is_phantom"))

    def weights(self) -> State:
        """Its present weights, copied."""
        found: Any = self.algo.get_weights()
        return {name: value.clone() for name, value in found.weights.items()}

    def train(self, weights: Mapping[str, Tensor]) -> Update:
        """Train for `local_epochs`, starting from these weights."""
        use_scripts_of(str(self.root))
        self.algo.train(ExchangeObject(weights=dict(weights)))
        rows = self.workflow.parser.get_parsed_content("history").rows
        return Update(self.weights(), self.samples, float(rows[-1]["loss"]))

    def score(self, weights: Mapping[str, Tensor]) -> float:
        """The validation score of these weights on its own validation images; NaN where none has a truth."""
        use_scripts_of(str(self.root))
        key = self.workflow.parser.get_parsed_content("history").key
        found: Any = self.algo.evaluate(ExchangeObject(weights=dict(weights)))
        return float(found.metrics.get(key, math.nan))

    def close(self) -> None:
        """End it."""
        self.algo.finalize()


def configuration_files(root: Path, overlays: Sequence[str] = ()) -> list[Path]:
    """`train.json`, the overlays and `federated.json` of a bundle.

    Raises:
        ConfigError: one of them does not exist.
    """
    names = [name.removesuffix(".json") for name in overlays]
    files = [root / "configs" / f"{name}.json" for name in ("train", *names, FEDERATED)]
    for file in files:
        if not file.is_file():
            known = sorted(path.stem for path in (root / "configs").glob("*.json"))
            raise ConfigError(
                f"{file} does not exist",
                expected=f"a bundle's folder with configs/{file.name}" + (f"; it has {', '.join(known)}" * bool(known)),
                fix="correct the bundle's path or --overlays",
            )
    return files
