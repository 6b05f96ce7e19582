"""Checkpoints continue a run exactly and say what does not fit."""

import pickle

import pytest
import torch
from ignite.engine import Engine, Events

from shared.engines import History
from shared.errors import CheckpointError
from shared.handlers import LoadModel, RecordHistory, ReproducibleSteps, RunCheckpoint, SaveBestModel
from shared.handlers.load import load_weights, read_tensors
from tests.support.engines import make_trainer


class Batches:
    """A loader that starts where it is told, and notes what it was told."""

    def __init__(self, batches):
        self.batches, self.told = batches, []

    def set_epoch(self, epoch, *, start_batch=0):
        self.told.append((epoch, start_batch))

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches[self.told[-1][1] :])


def train(folder, *, until=None, resume="auto", max_epochs=4, **more):
    """Train with dropout; `until` ends the run after that iteration, as a killed process would."""
    history = History()
    trainer = make_trainer([], max_epochs=max_epochs, dropout=0.5, **more)
    sampler = trainer.data_loader = Batches(trainer.data_loader)
    objects = {"network": trainer.network, "optimizer": trainer.optimizer, "history": history}
    for handler in (
        ReproducibleSteps(seed=5, sampler=sampler),
        RecordHistory(history=history, path=folder / "history.json"),
        RunCheckpoint(path=folder / "checkpoint.pt", objects=objects, resume=resume),
    ):
        handler.attach(trainer)
    if until is not None:
        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=until), lambda engine: engine.terminate())
    trainer.run()
    return trainer, history, sampler


@pytest.mark.parametrize("until", [6, 9, 11])
def test_a_stopped_run_continues_as_if_nothing_had_happened(tmp_path, until):
    whole, history, _ = train(tmp_path / "whole")
    train(tmp_path / "parts", until=until)
    rest, resumed, sampler = train(tmp_path / "parts")
    assert resumed.rows == history.rows
    assert sampler.told[0] == (until // 4, until % 4)
    for a, b in zip(whole.network.parameters(), rest.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_never_starts_afresh(tmp_path):
    train(tmp_path, until=5)
    trainer, history, _ = train(tmp_path, resume="never", max_epochs=1)
    assert trainer.state.iteration == 4
    assert [row["epoch"] for row in history.rows] == [1]


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        train(tmp_path, resume=str(tmp_path / "nothing.pt"))


def test_other_epoch_length_is_refused(tmp_path):
    train(tmp_path, until=5)
    with pytest.raises(CheckpointError, match="4 iterations per epoch"):
        train(tmp_path, num_batches=7)


def test_weights_of_another_architecture_name_the_keys_and_change_nothing(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)).state_dict()
    with pytest.raises(CheckpointError) as error:
        load_weights(network, other, source="x.pt")
    message = str(error.value)
    assert "2 missing, e.g. 1.bias, 1.weight" in message
    assert "2 unexpected, e.g. 2.bias, 2.weight" in message
    assert "0.weight: (5, 3) in the file, (4, 3) in the network" in message
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_files_with_code_damaged_and_absent_ones_are_refused(tmp_path, capsys):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "half.pt").write_bytes(b"PK\x03\x04 half a file")
    for name in ("evil.pt", "half.pt"):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_tensors(tmp_path / name)
    assert "code ran" not in capsys.readouterr().out
    with pytest.raises(CheckpointError, match=r"--ckpt_path"):
        LoadModel(path=tmp_path / "none.pt", network=torch.nn.Linear(1, 1)).load()


def test_the_hint_says_what_the_weights_were_trained_with(tmp_path):
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "model.pt")
    (tmp_path / "model.json").write_text('{"backbone": "resnet18", "num_experts": 2}')
    with pytest.raises(CheckpointError, match="backbone resnet18, num_experts 2"):
        LoadModel(path=tmp_path / "model.pt", network=torch.nn.Linear(3, 1)).load()


def test_the_deployed_network_and_its_companions_are_of_the_same_epoch(tmp_path):
    student, teacher, history = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), History()
    engine = Engine(lambda engine, batch: None)
    handler = SaveBestModel(
        network=teacher,
        history=history,
        path=tmp_path / "model.pt",
        companions={"student.pt": student, "teacher.pt": teacher},
    )
    for epoch, score in enumerate((0.3, 0.8, 0.5), start=1):
        engine.state.epoch = epoch
        history.end_epoch(epoch, learning_rate=0.1, metrics={"score": score})
        torch.nn.init.constant_(student.weight, epoch)
        torch.nn.init.constant_(teacher.weight, 10 * epoch)
        handler.save(engine)
    found = {name: read_tensors(tmp_path / f"{name}.pt")["weight"].item() for name in ("model", "student", "teacher")}
    assert found == {"model": 20, "student": 2, "teacher": 20}


def test_all_files_of_the_best_epoch_come_along_to_another_folder(tmp_path):
    history = History()
    history.end_epoch(1, learning_rate=0.1, metrics={"score": 0.5})
    files = ["model.json", "student.pt", "teacher.pt", "model.pt"]
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    for name in files[:-2]:
        (tmp_path / "old" / name).write_text(name)
    handler = RunCheckpoint(path=tmp_path / "new" / "checkpoint.pt", objects={"history": history}, best_files=files)
    with pytest.raises(CheckpointError, match=r"there is no teacher\.pt and no model\.pt beside"):
        handler.bring_best_model(tmp_path / "old" / "checkpoint.pt")
    for name in files[-2:]:
        (tmp_path / "old" / name).write_text(name)
    handler.bring_best_model(tmp_path / "old" / "checkpoint.pt")
    assert [(tmp_path / "new" / name).read_text() for name in files] == files
