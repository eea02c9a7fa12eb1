"""Every loss against a plain reference, and the properties that the loop builds on: a step cut
into parts adds up to the whole, and an ignored pixel changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from train.losses import IGNORE, build_loss, counted_pixels
from unet_hf.errors import ConfigError

NAMES = ("cross_entropy", "dice", "cross_entropy_dice", "focal")
CLASSES = 3
seeds = st.integers(0, 2**31)


def batch(seed, crops=4, ignored=0.3):
    """Random logits, labels and weights; a share of the pixels, and one whole crop, ignored."""
    chance = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(crops, CLASSES, 6, 5, generator=chance)
    label = torch.randint(0, CLASSES, (crops, 6, 5), generator=chance)
    label[torch.rand(label.shape, generator=chance) < ignored] = IGNORE
    if ignored:
        label[-1] = IGNORE
    return logits, label, 10 * torch.rand(label.shape, generator=chance)


def value_and_gradient(loss, logits, *others, **totals):
    logits = logits.clone().requires_grad_()
    value = loss(logits, *others, **totals)
    value.backward()
    return value.detach(), logits.grad


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(seed=seeds, parts=st.sampled_from([(1, 1, 1, 1), (2, 2), (3, 1), (4,)]))
def test_the_parts_of_a_step_add_up_to_the_whole(name, seed, parts):
    loss = build_loss(name)
    logits, label, weights = batch(seed)
    whole, gradient = value_and_gradient(loss, logits, label, weights)
    totals = {"pixels": counted_pixels(label, (6, 5)), "crops": 4}
    pieces = [
        value_and_gradient(loss, *piece, **totals)
        for piece in zip(*(x.split(parts) for x in (logits, label, weights)), strict=True)
    ]
    values, gradients = zip(*pieces, strict=True)
    assert torch.allclose(sum(values), whole, rtol=1e-5, atol=1e-6)
    assert torch.allclose(torch.cat(gradients), gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(seed=seeds, scale=st.sampled_from([1.0, 100.0]))
def test_an_ignored_pixel_changes_nothing(name, seed, scale):
    loss = build_loss(name)
    logits, label, weights = batch(seed)
    value, gradient = value_and_gradient(loss, logits, label, weights)
    ignored = label == IGNORE
    everywhere = ignored[:, None].expand_as(logits)
    scrambled = torch.where(everywhere, scale * batch(seed + 1)[0], logits)
    weights = torch.where(ignored, 50.0, weights)
    again, other_gradient = value_and_gradient(loss, scrambled, label, weights)
    assert torch.equal(value, again)
    assert torch.equal(gradient, other_gradient)
    assert gradient[everywhere].count_nonzero() == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(3, 3), (0, 0)])
def test_a_batch_without_a_counted_pixel_has_no_loss_and_no_gradient(name, size):
    label = torch.full((2, *size), IGNORE)
    logits = torch.randn(2, CLASSES, *size)
    value, gradient = value_and_gradient(build_loss(name), logits, label, torch.ones(2, *size))
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(logits))
    value, _ = value_and_gradient(
        build_loss(name), logits, label, torch.ones(2, *size), pixels=0, crops=0
    )
    assert value == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_torchs_where_every_weight_is_one(smoothing):
    logits, label, _ = batch(0)
    found = build_loss("cross_entropy", label_smoothing=smoothing)(
        logits, label, torch.ones(label.shape)
    )
    expected = functional.cross_entropy(
        logits, label, ignore_index=IGNORE, label_smoothing=smoothing
    )
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_cross_entropy_is_the_weighted_mean_over_pixels_that_count():
    logits, label, weights = batch(1)
    log_p = torch.log_softmax(logits, dim=1)
    places = (label != IGNORE).nonzero().tolist()
    total = sum(-weights[b, y, x] * log_p[b, label[b, y, x], y, x] for b, y, x in places)
    found = build_loss("cross_entropy")(logits, label, weights)
    assert found.item() == pytest.approx(total.item() / len(places), rel=1e-5)


def test_a_valid_networks_loss_looks_at_the_middle_of_the_label():
    logits, label = torch.randn(1, 2, 4, 4), torch.randint(0, 2, (1, 10, 10))
    label[0, 3, 3] = label[0, 0, 0] = IGNORE
    weights = torch.rand(1, 10, 10)
    assert counted_pixels(label, (4, 4)) == 15
    middle = label[:, 3:7, 3:7], weights[:, 3:7, 3:7]
    for name in NAMES:
        loss = build_loss(name)
        assert torch.equal(loss(logits, label, weights), loss(logits, *middle))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_with_gamma_0_is_cross_entropy(smoothing):
    crops = batch(2)
    focal = build_loss("focal", focal_gamma=0, label_smoothing=smoothing)
    entropy = build_loss("cross_entropy", label_smoothing=smoothing)
    value, gradient = value_and_gradient(focal, *crops)
    expected, expected_gradient = value_and_gradient(entropy, *crops)
    assert torch.allclose(value, expected)
    assert torch.allclose(gradient, expected_gradient)


def test_focal_loss_is_its_formula():
    logits, label = torch.tensor([0.0, 1.5])[None, :, None, None], torch.ones(1, 1, 1).long()
    p = torch.sigmoid(torch.tensor(1.5)).item()
    found = build_loss("focal", focal_gamma=2)(logits, label, torch.full((1, 1, 1), 3.0))
    expected = -3 * (1 - p) ** 2 * torch.tensor(p).log().item()
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_loss_has_a_finite_gradient_where_the_network_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]]).reshape(1, 2, 1, 2)
    _, gradient = value_and_gradient(
        build_loss("focal", focal_gamma=gamma),
        logits,
        torch.zeros(1, 1, 2).long(),
        torch.ones(1, 1, 2),
    )
    assert gradient.isfinite().all()


def test_dice_of_a_tiny_example_by_hand():
    # p of class 1: 0.8, 0.4, 0.1 and one ignored pixel; truth: 1, 1, 0. Class 2 is not there.
    ones = torch.tensor([0.8, 0.4, 0.1, 0.9])
    probability = torch.stack([0.9 - ones, ones, torch.full((4,), 0.1)])
    label = torch.tensor([1, 1, 0, IGNORE])
    dice_1 = 2 * (0.8 + 0.4) / (0.8 + 0.4 + 0.1 + 2)
    dice_0 = 2 * 0.8 / (0.1 + 0.5 + 0.8 + 1)
    found = build_loss("dice")(
        probability.clamp(min=1e-9).log()[None, :, None],
        label[None, None],
        torch.zeros(1, 1, 4),  # weights are for pixels; Dice balances classes by itself
    )
    assert found.item() == pytest.approx(1 - (dice_1 + dice_0) / 2, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_perfect_logits_have_no_loss(name):
    _, label, weights = batch(3)
    classes = label.where(label != IGNORE, 0)
    logits = 50.0 * functional.one_hot(classes, CLASSES).permute(0, 3, 1, 2)
    assert build_loss(name)(logits, label, weights).item() == pytest.approx(0, abs=1e-5)
    assert build_loss(name)(-logits, label, weights) > 0.5


def test_cross_entropy_dice_is_the_sum_of_both():
    crops = batch(4)
    parts = [build_loss(name)(*crops).item() for name in ("cross_entropy", "dice")]
    assert build_loss("cross_entropy_dice")(*crops).item() == pytest.approx(sum(parts), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_logits_are_computed_in_float32(name):
    logits, label, weights = batch(5)
    logits = logits.bfloat16()
    found = build_loss(name)(logits, label, weights)
    assert found.dtype == torch.float32
    assert torch.equal(found, build_loss(name)(logits.float(), label, weights))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("entropy", {}, "cross_entropy, dice, cross_entropy_dice, focal"),
        ("cross_entropy", {"label_smoothing": 1.0}, "label_smoothing 1.0"),
        ("focal", {"focal_gamma": -1.0}, "focal_gamma -1.0"),
        ("dice", {"label_smoothing": 0.1}, "no effect"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_loss(name, **options)
