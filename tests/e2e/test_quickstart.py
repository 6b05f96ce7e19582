"""Every quickstart at full size, as `make train` runs it: it learns, and its model evaluates and infers."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.bundle import command, run_command
from tests.support.tiny import BUNDLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]
Rows = list[dict[str, Any]]


class Expected(NamedTuple):
    """``learned``: of the history's rows, all true. ``said``: by the evaluation. ``found``: (pattern, number) of
    inference's files. ``evaluation``: further keys of it."""

    learned: Callable[[Rows], dict[str, bool]]
    said: tuple[str, ...]
    found: dict[str, int]
    evaluation: dict[str, str]


def best(rows: Rows, figure: str) -> float:
    """The highest value of a figure."""
    return max(row[figure] for row in rows)


def gain(rows: Rows, figure: str) -> float:
    """From the first epoch to the best."""
    return best(rows, figure) - rows[0][figure]


def least(rows: Rows, figure: str) -> float:
    """The lowest value, as a share of the first."""
    return min(row[figure] for row in rows) / rows[0][figure]


EXPECTED = {
    "idrid_moe_mtl": Expected(
        lambda rows: {
            "masks": gain(rows, "Dice_mean") > 0.08 and best(rows, "Dice_OD") > 0.6,
            "grades": gain(rows, "accuracy_mean") > 0.1 and best(rows, "accuracy_MER") > 0.65,
            "loss": least(rows, "loss") < 0.85,
        },
        ("split 'test'", "official-leak-free"),
        {"json/*": 12},
        {},
    ),
    "retouch_meanteacher": Expected(
        lambda rows: {"masks": gain(rows, "Dice_mean") > 0.15, "loss": least(rows, "loss_supervised") < 0.85},
        tuple(f"Fluid in volumes, split 'validation', {which}" for which in ("teacher", "student", "ensemble")),
        {"volumes/*.mha": 42, "json/*": 42},
        {"ensemble": "equal"},
    ),
    "fundus_od_unet": Expected(
        lambda rows: {
            "disc": best(rows, "Dice_disc") > 0.85 and gain(rows, "Dice_disc") > 0.3,
            "loss": least(rows, "loss") < 0.5,
        },
        ("split 'test'",),
        {"json/*": 96},
        {},
    ),
    "pets_mtl": Expected(
        lambda rows: {
            "mask": best(rows, "Dice_pet") > 0.8,
            "species": best(rows, "accuracy_species") > 0.9,
            "box": best(rows, "box_IoU") > 0.45 and gain(rows, "box_IoU") > 0.2,
        },
        ("Head boxes, pixels of the original, split 'test'",),
        {},
        {},
    ),
}
ANY = Expected(lambda rows: {"loss": least(rows, "loss") < 0.9}, (), {}, {})


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_quickstart_learns_and_its_model_evaluates_and_infers(bundle: str, home: Path, tmp_path: Path) -> None:
    expected, models, findings = EXPECTED.get(bundle, ANY), tmp_path / "models", tmp_path / "findings"

    def run(run_id: str, *names: str, **keys: Any) -> str:
        """What is printed by a command that ends well."""
        # One thread: two tests run at a time on two cores.
        done = run_command(command(run_id, bundle, *names, **keys), home=home, timeout=3000, threads=1)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return str(done.stdout)

    said = run("training", "train", "quickstart", models_dir=models)
    assert "PHANTOM DATA" in said
    model, pictures = (Path(re.findall(rf"^{what} +(\S+)", said, flags=re.M)[0]) for what in ("best model", "pictures"))
    assert model.is_file()
    assert list(pictures.glob("*.png"))
    learned = expected.learned(json.loads((model.parent / "history.json").read_text()))
    assert all(learned.values()), learned

    weights = {"ckpt_path": models / "model.pt"}
    said = run("evaluating", "train", "quickstart", "evaluate", **weights, **expected.evaluation)
    assert not [words for words in expected.said if words not in said]
    run("inference", "inference", "quickstart", **weights, output_dir=findings)
    assert list((findings / "json").iterdir())
    assert {pattern: len(list(findings.glob(pattern))) for pattern in expected.found} == expected.found
