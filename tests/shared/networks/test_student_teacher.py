"""Teachers, peers, the pair that is validated, and ensembles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from shared.errors import CheckpointError, ConfigError
from shared.networks import Ensemble, SegmentationUNet, StudentTeacher, deployed, make_peer, make_teacher
from tests.support.scans import TinyUNet


def test_a_teacher_is_a_frozen_copy_with_memory_of_its_own() -> None:
    student = TinyUNet().to(memory_format=torch.channels_last)
    teacher = make_teacher(student)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in student.parameters())
    own = teacher.state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(value, own[name])
        assert value.data_ptr() != own[name].data_ptr()
    assert teacher.decoder[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_peer_keeps_the_encoder_and_starts_elsewhere_reproducibly() -> None:
    student = SegmentationUNet(backbone="resnet10_narrow")
    torch.manual_seed(5)
    peer, before = make_peer(student, seed=1), torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(before, torch.rand(1))
    again, other = make_peer(student, seed=1), make_peer(student, seed=2)
    state = student.state_dict()
    for name, value in peer.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        if name.startswith("encoder"):
            assert torch.equal(value, state[name])
        elif value.dim() == 4:
            assert not torch.equal(value, state[name])
            assert not torch.equal(value, other.state_dict()[name])
    assert all(parameter.requires_grad for parameter in peer.parameters())


def test_the_pair_gives_both_predictions() -> None:
    student, teacher = TinyUNet(), TinyUNet()
    image = torch.rand(2, 1, 8, 8)
    pair = StudentTeacher(student=student, teacher=teacher).eval()
    outputs = pair(image)
    torch.testing.assert_close(outputs["student"], student(image))
    torch.testing.assert_close(outputs["teacher"], teacher(image))
    assert StudentTeacher(student=student, teacher=None)(image).keys() == {"student"}


def test_what_is_deployed() -> None:
    student, teacher = nn.Identity(), nn.Identity()
    assert deployed(student=student, teacher=teacher, deploy="student") is student
    assert deployed(student=student, teacher=teacher, deploy="teacher") is teacher
    with pytest.raises(ConfigError, match=r"did you mean 'teacher'"):
        deployed(student=student, teacher=teacher, deploy="techer")
    with pytest.raises(ConfigError, match=r"one of student\n"):
        deployed(student=student, teacher=None, deploy="teacher")


def test_an_ensemble_is_the_weighted_mean_of_probabilities() -> None:
    torch.manual_seed(0)
    networks = [TinyUNet().eval() for _ in range(3)]
    image = torch.rand(2, 1, 8, 8)
    ensemble = Ensemble(members=[{"network": network} for network in networks], weights=[3, 1, 0]).eval()
    with torch.no_grad():
        expected = 0.75 * networks[0](image).softmax(1) + 0.25 * networks[1](image).softmax(1)
        found = ensemble(image)
    torch.testing.assert_close(found.exp(), expected)
    torch.testing.assert_close(found.softmax(1), expected)
    assert ensemble.weights == [0.75, 0.25, 0]


def test_one_member_is_the_network_itself() -> None:
    network, image = TinyUNet().eval(), torch.rand(1, 1, 8, 8)
    ensemble = Ensemble(members=[{"network": network}]).eval()
    torch.testing.assert_close(ensemble(image).softmax(1), network(image).softmax(1))


def test_members_are_read_from_their_checkpoints(tmp_path: Path) -> None:
    trained, image = TinyUNet().eval(), torch.rand(1, 1, 8, 8)
    torch.save(trained.state_dict(), tmp_path / "teacher.pt")
    ensemble = Ensemble(members=[{"network": TinyUNet(), "checkpoint": str(tmp_path / "teacher.pt")}]).eval()
    torch.testing.assert_close(ensemble(image).softmax(1), trained(image).softmax(1))
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        Ensemble(members=[{"network": TinyUNet(), "checkpoint": str(tmp_path / "none.pt")}])
    with pytest.raises(CheckpointError, match="another architecture"):
        Ensemble(members=[{"network": TinyUNet(classes=2), "checkpoint": str(tmp_path / "teacher.pt")}])


@pytest.mark.parametrize("weights", [[1.0], [0, 0], [1, -1], [1, float("nan")]])
def test_weights_that_do_not_fit(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="not all 0"):
        Ensemble(members=[{"network": TinyUNet()}, {"network": TinyUNet()}], weights=weights)


def test_an_ensemble_of_nobody() -> None:
    with pytest.raises(ConfigError, match="0 members"):
        Ensemble(members=[])
