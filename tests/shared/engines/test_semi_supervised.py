"""The semi-supervised trainer against plain steps; teachers, ramps, resuming; both ways of passing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer

from shared.engines import History, SemiSupervisedTrainer, make_method, start_teacher, trained_parameters
from shared.engines.consistency import METHODS
from shared.errors import ConfigError, TrainingError
from shared.handlers import RecordHistory, ReproducibleSteps, RunCheckpoint
from shared.losses import SegmentationLoss
from shared.networks import SegmentationUNet
from tests.references.semi_supervised import Twin
from tests.support.scans import TinyUNet, scan_batches

THRESHOLD = 0.4
SETTINGS = {"consistency_weight": 2.0, "rampup_epochs": 2, "ema_decay": 0.7}


def method_of(name: str, *, classes: int = 4, **more: Any) -> Any:
    threshold = {"threshold": THRESHOLD} if name in ("fixmatch", "unimatch") else {}
    return make_method(name, num_classes=classes, **SETTINGS, **threshold, **more)


def trainer_of(
    name: str,
    *,
    batches: Any,
    network: Any = None,
    passes: str = "apart",
    max_epochs: int = 3,
    classes: int = 4,
    handlers: Any = (),
    **more: Any,
) -> SemiSupervisedTrainer:
    torch.manual_seed(0)
    network = network or TinyUNet(channels=batches[0]["image"].shape[1], classes=classes)
    method = method_of(name, classes=classes)
    teacher = start_teacher(network=network, method=method)
    return SemiSupervisedTrainer(
        device="cpu",
        max_epochs=max_epochs,
        train_data_loader=batches,
        network=network,
        teacher=teacher,
        method=method,
        loss_function=SegmentationLoss(num_classes=classes),
        optimizer=torch.optim.SGD(trained_parameters(student=network, teacher=teacher), lr=0.1),
        passes=passes,
        train_handlers=[ReproducibleSteps(seed=5, sampler=NoSampler()), *handlers],
        **more,
    )


class NoSampler:
    def set_epoch(self, epoch: int, *, start_batch: int = 0) -> None:
        pass


def assert_equal(one: torch.nn.Module, other: torch.nn.Module, *, exact: bool = False) -> None:
    theirs = other.state_dict()
    for name, value in one.state_dict().items():
        tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(value, theirs[name], **tolerance, msg=name)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_equals_its_plain_twin(name: str, classes: int) -> None:
    batches = scan_batches(2, unlabelled=3, classes=classes)
    trainer = trainer_of(name, batches=batches, classes=classes, max_epochs=3)
    twin = Twin(
        student=trainer.network,
        peer=trainer.teacher if trainer.method.trains_teacher else None,
        method=name,
        loss=SegmentationLoss(num_classes=classes),
        epoch_length=2,
        rampup_epochs=2,
        weight=2.0,
        decay=0.7,
        threshold=THRESHOLD,
    )
    totals: list[float] = []
    follow = ReproducibleSteps(seed=5, sampler=NoSampler())

    def compare(engine: Any) -> None:
        totals.append(float(engine.state.output["loss"]))
        follow.reseed(engine)
        batch = batches[(engine.state.iteration - 1) % 2]
        expected = twin.step(batch["image"][:1], batch["label"][:1], batch["image"][1:])
        assert totals[-1] == pytest.approx(expected, rel=1e-4)

    trainer.add_event_handler(Events.ITERATION_COMPLETED, compare)
    trainer.run()
    assert len(totals) == 6
    assert_equal(trainer.network, twin.student)
    assert_equal(trainer.teacher, twin.teacher)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "unimatch"])
def test_together_equals_apart_where_batchnorm_is_frozen(name: str) -> None:
    batches = scan_batches(2)
    trained = []
    for passes in ("together", "apart"):
        torch.manual_seed(1)
        trainer = trainer_of(name, batches=batches, network=TinyUNet(frozen=True), passes=passes)
        trainer.run()
        trained.append(trainer)
    assert_equal(trained[0].network, trained[1].network)
    assert_equal(trained[0].teacher, trained[1].teacher)


def test_unimatch_together_equals_apart_without_random_channels() -> None:
    """Which channels are dropped is drawn inside the network, in the order of the passes: so none is dropped here."""
    trained = []
    for passes in ("together", "apart"):
        torch.manual_seed(1)
        network = TinyUNet(frozen=True, drop=0.0)
        trainer = trainer_of("unimatch", batches=scan_batches(2), network=network, passes=passes)
        trainer.run()
        trained.append(trainer.network)
    assert_equal(*trained)


def test_together_differs_from_apart_where_batchnorm_is_not_frozen() -> None:
    trained = []
    for passes in ("together", "apart"):
        trainer = trainer_of("mean_teacher", batches=scan_batches(2), passes=passes)
        trainer.run()
        trained.append(trainer.network.encoder[1].running_var)
    assert not torch.allclose(*trained)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("passes", ["together", "apart"])
def test_without_unlabelled_images(name: str, passes: str) -> None:
    trainer = trainer_of(name, batches=scan_batches(2, unlabelled=0), passes=passes)
    before = copy.deepcopy(trainer.network)
    trainer.run()
    terms = trainer.loss_function.last_terms
    assert ("consistency" in terms) == (name == "cross_pseudo")
    assert torch.isfinite(terms["total"])
    assert not torch.equal(before.head.weight, trainer.network.head.weight)


@pytest.mark.parametrize("name", ["mean_teacher", "unimatch"])
def test_neighbouring_scans_as_channels_through_the_real_network(name: str) -> None:
    torch.manual_seed(0)
    network = SegmentationUNet(backbone="resnet10_narrow", in_channels=3, num_classes=2)
    batches = scan_batches(2, channels=3, classes=2, size=32)
    trainer = trainer_of(name, batches=batches, network=network, passes="together", classes=2, max_epochs=1)
    trainer.run()
    assert trainer.state.output["pred"].shape == (1, 2, 32, 32)
    assert {"supervised", "consistency", "total"} == trainer.loss_function.last_terms.keys()


def test_the_teacher_takes_no_gradient_stays_in_evaluation_and_shares_no_memory() -> None:
    modes: list[bool] = []
    trainer = trainer_of("mean_teacher", batches=scan_batches(2))
    teacher = trainer.teacher
    assert teacher is not None
    teacher.register_forward_hook(lambda module, *_: modes.append(module.training or torch.is_grad_enabled()))
    trainer.run()
    assert modes == [False] * 6
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())
    own = {value.data_ptr() for value in teacher.state_dict().values()}
    assert not own & {value.data_ptr() for value in trainer.network.state_dict().values()}


def test_unlabelled_images_reach_no_network_of_the_control() -> None:
    seen: list[int] = []
    trainer = trainer_of("supervised", batches=scan_batches(2))
    for network in (trainer.network, trainer.teacher):
        network.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    trainer.run()
    assert seen == [1] * 6
    assert not torch.equal(trainer.teacher.head.weight, trainer.network.head.weight)


@pytest.mark.parametrize("name", ["mean_teacher", "cross_pseudo", "unimatch"])
@pytest.mark.parametrize("until", [2, 3, 5])
def test_student_and_teacher_after_resume_equal_an_undisturbed_run(tmp_path: Any, name: str, until: int) -> None:
    def train(folder: Any, *, stop: int | None = None) -> Any:
        history, batches = History(), Positioned(scan_batches(3))
        trainer = trainer_of(name, batches=batches)
        optimizer = torch.optim.AdamW(trained_parameters(student=trainer.network, teacher=trainer.teacher), lr=0.05)
        trainer.optimizer = optimizer
        objects = {"network": trainer.network, "teacher": trainer.teacher, "optimizer": optimizer, "history": history}
        for handler in (
            ReproducibleSteps(seed=5, sampler=batches),
            RecordHistory(history=history, path=folder / "history.json"),
            RunCheckpoint(path=folder / "checkpoint.pt", objects=objects),
        ):
            handler.attach(trainer)
        if stop:
            trainer.add_event_handler(Events.ITERATION_COMPLETED(once=stop), lambda engine: engine.terminate())
        trainer.run()
        return trainer, history

    whole, history = train(tmp_path / "whole")
    train(tmp_path / "parts", stop=until)
    rest, resumed = train(tmp_path / "parts")
    assert_equal(whole.network, rest.network, exact=True)
    assert_equal(whole.teacher, rest.teacher, exact=True)
    assert resumed.rows == history.rows
    assert "loss_consistency" in history.rows[-1]


class Positioned(list):
    """Batches that start where a resumed run is."""

    start = 0

    def set_epoch(self, epoch: int, *, start_batch: int = 0) -> None:
        self.start = start_batch

    def __iter__(self) -> Any:
        return iter(self[self.start :])


def test_accumulated_steps_move_both_networks_once() -> None:
    batches = scan_batches(3)
    trainer = trainer_of("mean_teacher", batches=batches, max_epochs=1, accumulation_steps=2)
    moved: list[tuple[bool, bool]] = []
    last = [copy.deepcopy(trainer.network), copy.deepcopy(trainer.teacher)]

    def note(engine: Any) -> None:
        now = [trainer.network.head.weight, trainer.teacher.head.weight]
        moved.append(tuple(not torch.equal(a.head.weight, b) for a, b in zip(last, now, strict=True)))
        last[:] = [copy.deepcopy(trainer.network), copy.deepcopy(trainer.teacher)]

    trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
    trainer.run()
    assert moved == [(False, False), (True, True), (True, True)]


def test_events_and_output_are_those_of_a_supervised_trainer() -> None:
    events: list[str] = []
    trainer = trainer_of("mean_teacher", batches=scan_batches(1, labelled=2), max_epochs=1)
    for event in IterationEvents:
        if event.name in ("FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"):
            trainer.add_event_handler(event, lambda engine, name=event.name: events.append(name))
    trainer.run()
    assert isinstance(trainer, SupervisedTrainer)
    assert events == ["FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"]
    assert {key: tuple(value.shape) for key, value in trainer.state.output.items()} == {
        "image": (2, 1, 8, 8),
        "label": (2, 1, 8, 8),
        "pred": (2, 4, 8, 8),
        "loss": (),
    }


def test_a_batch_without_labelled_images_is_refused() -> None:
    trainer = trainer_of("mean_teacher", batches=scan_batches(1, labelled=0))
    with pytest.raises(TrainingError, match="2 images without a labelled one"):
        trainer.run()


def test_teachers_that_do_not_fit_the_method_are_refused() -> None:
    network, other = TinyUNet(), TinyUNet()
    for name, teacher, message in (
        ("mean_teacher", other, "is trained by gradients, for MeanTeacher"),
        ("cross_pseudo", other, "is not trained by gradients, for CrossPseudo"),
        ("cross_pseudo", None, "is not trained by gradients, for CrossPseudo"),
    ):
        with pytest.raises(ConfigError, match=message):
            SemiSupervisedTrainer(
                device="cpu",
                max_epochs=1,
                train_data_loader=[],
                network=network,
                teacher=teacher,
                method=method_of(name),
                loss_function=SegmentationLoss(),
                optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
            )
    trainer = trainer_of("mean_teacher", batches=scan_batches(1))
    trainer.teacher = None
    with pytest.raises(ConfigError, match="no teacher was given"):
        trainer.run()
    with pytest.raises(ConfigError, match="passes is 'joint'"):
        trainer_of("mean_teacher", batches=scan_batches(1), passes="joint")


def test_a_gradient_scaler_changes_nothing_but_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    scales: list[float] = []

    def scaler() -> torch.amp.GradScaler:
        return torch.amp.GradScaler("cpu", init_scale=1024.0)

    plain = trainer_of("mean_teacher", batches=scan_batches(2))
    plain.run()
    monkeypatch.setattr(torch.cuda.amp, "GradScaler", scaler)
    scaled = trainer_of("mean_teacher", batches=scan_batches(2), amp=True)
    scaled.add_event_handler(
        IterationEvents.BACKWARD_COMPLETED, lambda engine: scales.append(float(engine.scaler.get_scale()))
    )
    scaled.run()
    assert scales == [1024.0] * 6
    assert_equal(plain.network, scaled.network)
    assert_equal(plain.teacher, scaled.teacher)
