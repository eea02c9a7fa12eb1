"""Batch norms that keep their averages in the last part of a training."""

import copy

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from train.config import TrainingConfig
from train.learner import Learner
from train.model import freeze_encoder
from train.optimization import norms_are_settled
from train.plan.planner import plan_or_resume
from unet_hf import UNet
from unet_hf.errors import ConfigError

STEPS = 10


@pytest.fixture(autouse=True)
def own_accelerator():
    """The precision of the first one would be that of all in this process."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


def config_of(**options) -> TrainingConfig:
    known = {"dataset_name": "cells", "loss": "cross_entropy", "dropout": 0.0, "ema_decay": 0.5}
    known |= {"max_train_steps": STEPS, "mixed_precision": "no", "norms_settle_after": 0.6}
    return TrainingConfig(**(known | options))


def learner_of(config: TrainingConfig, frozen: bool = False) -> Learner:
    torch.manual_seed(0)
    model = UNet(base_channels=4, depth=2, dropout=0.0).train()
    if frozen:
        freeze_encoder(model)
    learner = Learner(model, config, Accelerator(cpu=True), 32)
    learner.prepare()
    return learner


def make_steps(learner: Learner, first: int, last: int) -> None:
    """As `Steps` does, with crops of which each step has others."""
    for step in range(first, last + 1):
        learner.begin(step)
        image = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(step)) + step
        label = (image[:, 0] > step).long()
        learner.gradients([[image, label, torch.ones(2, 32, 32), torch.zeros(2, 0, 32, 32)]])
        learner.update()


def averages_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.named_buffers() if "running" in name}


def same(*tensors: dict[str, torch.Tensor]) -> bool:
    first, second = tensors
    return all(torch.equal(first[name], second[name]) for name in first)


def test_they_settle_after_a_share_of_the_steps_and_never_at_a_constant_rate():
    def settled(**options) -> list[int]:
        config = config_of(**options)
        return [step for step in range(1, STEPS + 1) if norms_are_settled(step, config)]

    assert settled() == [7, 8, 9, 10]
    assert settled(norms_settle_after=0.0) == [*range(1, 11)]
    assert settled(norms_settle_after=1.0) == []
    assert settled(lr_scheduler="constant") == []


def test_settled_norms_have_the_averages_of_the_averaged_network_and_keep_them():
    learner = learner_of(config_of())
    make_steps(learner, 1, 6)
    averaged = averages_of(learner.evaluated)
    assert not same(averages_of(learner.model), averaged)
    make_steps(learner, 7, STEPS)
    assert same(averages_of(learner.model), averaged)
    assert same(averages_of(learner.evaluated), averaged)


def test_with_settled_norms_a_crop_is_predicted_as_it_is_trained_on():
    learner = learner_of(config_of())
    make_steps(learner, 1, 6)
    image = torch.randn(2, 1, 32, 32)
    for step, alike in ((6, False), (7, True)):
        learner.begin(step)
        as_trained = learner.model(image)
        predicting = copy.deepcopy(learner.model).eval()
        assert torch.allclose(as_trained, predicting(image), atol=1e-5) is alike
        one = torch.allclose(as_trained[:1], learner.model(image[:1]), atol=1e-5)
        assert one is alike  # whatever else is in the batch


def test_a_schedule_that_becomes_longer_lets_them_gather_again():
    learner = learner_of(config_of())
    make_steps(learner, 1, 7)
    kept = averages_of(learner.model)
    learner.config = config_of(max_train_steps=2 * STEPS)
    make_steps(learner, 8, 8)
    assert not same(averages_of(learner.model), kept)


def test_those_of_a_frozen_encoder_are_left_alone():
    learner = learner_of(config_of(), frozen=True)
    before = averages_of(learner.model.contracting)
    make_steps(learner, 1, STEPS)
    assert same(averages_of(learner.model.contracting), before)
    assert not any(norm.training for norm in learner.model.contracting.modules())


def test_a_training_that_was_begun_without_them_goes_on_without_them():
    config = config_of(norms_settle_after=None)
    began = config.to_dict() | {"depth": 2}
    del began["norms_settle_after"]
    resumed, _ = plan_or_resume(config, None, None, began)
    assert resumed.norms_settle_after == 1.0


def test_their_share_is_one_of_the_steps():
    with pytest.raises(ConfigError, match=r"norms_settle_after 1\.5.*from 0 to 1"):
        config_of(norms_settle_after=1.5)
