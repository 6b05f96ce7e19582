"""One mask of a network of several tasks, from its training to surfaces and maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser

from shared.__main__ import main
from shared.errors import ConfigError, DataError
from shared.observatory import SnapshotSaver, load_surface, make_loss, open_run
from shared.observatory.one_mask import find_mask
from tests.shared.observatory.conftest import discs
from tests.support.errors import fails_with

TASKS = [
    {"name": "species", "kind": "grade", "num_classes": 2},
    {"name": "other", "kind": "mask"},
    {"name": "pet", "kind": "mask"},
]
NETWORK = {
    "_target_": "shared.networks.make_sharing_network",
    "tasks": "@tasks",
    "sharing": "hard",
    "backbone": "unet",
    "channels": [4, 4, 8, 8],
}
CONFIG = {"tasks": TASKS, "network_def": NETWORK}


def items() -> list[dict[str, Any]]:
    """Discs as the second mask of two; every third image has no such label."""
    made = []
    for item in discs():
        image, label = (torch.kron(item[key], torch.ones(1, 2, 2, dtype=item[key].dtype)) for key in ("image", "label"))
        masks = torch.cat([torch.zeros_like(label), label]).float()
        labelled = torch.tensor([True, True, item["labelled"]])
        made.append({"image": image.repeat(3, 1, 1), "masks": masks, "labelled": labelled})
    return made


def train(folder: Path, **choice: Any) -> torch.nn.Module:
    """Three epochs on the second mask."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    network: torch.nn.Module = ConfigParser(CONFIG).get_parsed_content("network_def")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)

    def step(engine: Engine, item: dict[str, Any]) -> None:
        optimizer.zero_grad()
        logits = network.train()(item["image"][None])["pred"][:, 1]
        torch.nn.functional.binary_cross_entropy_with_logits(logits, item["masks"][None, 1]).backward()
        optimizer.step()

    engine = Engine(step)
    SnapshotSaver(network=network, dataset=items(), output_dir=folder, num_images=3, **choice).attach(engine)
    engine.run(items(), max_epochs=3)
    return network.eval()


def test_a_mask_is_two_classes_with_the_sigmoids_loss(tmp_path: Path) -> None:
    network = train(tmp_path / "run", mask="pet", tasks=TASKS)
    run = open_run(tmp_path / "run", device="cpu")
    ((image_BCHW, label_B1HW),) = run.batches
    assert len(image_BCHW) == 3
    assert label_B1HW.flatten(1).any(1).all()
    assert run.num_classes == 2
    with torch.no_grad():
        logit_BHW = network(image_BCHW)["pred"][:, 1]
        found = run.network(image_BCHW)
    torch.testing.assert_close(found.softmax(1)[:, 1], logit_BHW.sigmoid())
    binary = torch.nn.functional.binary_cross_entropy_with_logits(logit_BHW, label_B1HW[:, 0].float())
    torch.testing.assert_close(make_loss("cross_entropy")(found, label_B1HW), binary)
    out = tmp_path / "out"
    common = [str(tmp_path / "run"), "--losses", "cross_entropy", f"--output_dir={out}"]
    main(["losses", "surface", *common, "--side=3", "--planes=1"])
    main(["losses", "surface", *common, "--side=3", "--plane=pca", "--batch_norm=reestimated"])
    assert load_surface(out / "surface_random0_frozen.npz").centre["cross_entropy"] == pytest.approx(
        float(binary), abs=1e-6
    )
    main(["losses", "maps", *common])
    assert (out / "maps_0.gif").is_file()
    main(["losses", "weights", str(tmp_path / "run"), f"--output_dir={out}"])
    assert "network.encoder" in (out / "weight_change.csv").read_text()


def test_a_mask_must_be_chosen_and_known(tmp_path: Path) -> None:
    with fails_with(ConfigError, "one of the mask tasks other, pet"):
        find_mask("species", TASKS)
    with fails_with(DataError, 'the name of one `mask` and "tasks"'):
        train(tmp_path / "unchosen")
    unlabelled = [item | {"labelled": torch.tensor([True, True, False])} for item in items()]
    engine = Engine(lambda engine, batch: None)
    saver = SnapshotSaver(
        network=torch.nn.Linear(1, 1), dataset=unlabelled, output_dir=tmp_path, mask="pet", tasks=TASKS
    )
    saver.attach(engine)
    with fails_with(DataError, "no item of the dataset has an `image` and the mask"):
        engine.run([0], max_epochs=1)


def test_several_outputs_without_a_mask_are_refused_with_the_way_out(tmp_path: Path) -> None:
    train(tmp_path / "run", mask="pet", tasks=TASKS)
    file = tmp_path / "run" / "snapshots" / "images.pt"
    torch.save({name: value for name, value in torch.load(file).items() if name != "mask"}, file)
    with fails_with(ConfigError, "returns dict of pred, species"):
        open_run(tmp_path / "run", device="cpu")
