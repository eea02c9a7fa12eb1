"""What a network that is taught is held to where nobody painted, and how gently it learns."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from train.teaching import guess
from train.teaching import tutor as tutor_module
from train.teaching.frequency import MOST_APART, POWER, shift_by_frequency
from train.teaching.lesson import FAR_LESSON, GENTLE_LESSON, USUAL_LESSON, Lesson
from train.teaching.losses import share_right
from train.teaching.pictures import prepare_parts
from train.teaching.teach import teach
from train.teaching.tutor import Held, Tutor, right_before
from unet_hf import UNet

from ..support.dots import QUICK, dots, iou, strokes_on, untaught


@pytest.fixture(scope="module")
def base() -> UNet:
    return untaught()


# -------------------------------------------------------------- what nobody painted, guessed


@pytest.mark.parametrize("most", [10**6, 900])
def test_a_forest_guesses_what_nobody_painted_also_from_some_of_the_pixels(base, monkeypatch, most):
    monkeypatch.setattr(guess, "MOST_GUESSED", most)
    pictures = [dots(seed) for seed in (0, 1)]
    parts = [
        part
        for image, mask in pictures
        for part in prepare_parts(base, base.segment(image), strokes_on(mask))
    ]
    guessed = guess.guess_unpainted(base, parts, 2)
    for part, old, (_, mask) in zip(guessed, parts, pictures, strict=True):
        assert part.old.shape == (2, 96, 80) and torch.equal(part.image, old.image)
        assert torch.allclose(part.old.sum(0), torch.ones(96, 80), atol=1e-5)
        assert iou(part.old.argmax(0).numpy(), mask) > 0.7


def test_so_many_pixels_are_guessed_as_are_allowed():
    assert guess.spacing([1000]) == 1
    every = guess.spacing([4 * guess.MOST_GUESSED, 5 * guess.MOST_GUESSED])
    assert every == 3


def test_a_class_that_is_painted_on_no_part_is_guessed_nowhere(base):
    image, mask = dots()
    parts = prepare_parts(base, base.segment(image), strokes_on(mask))
    (part,) = guess.guess_unpainted(base, parts, 3)
    assert part.old.shape[0] == 3 and not part.old[2].any()


def test_a_class_of_which_less_is_painted_is_guessed_more_rarely(base):
    image, mask = dots()
    label = strokes_on(mask)
    fewer = np.where(label == 1, 255, label)
    fewer[tuple(np.argwhere(label == 1)[:9].T)] = 1
    told = [torch.full((5, 2), 0.5)]
    few, many = (
        guess.guess_frequencies(prepare_parts(base, base.segment(image), painted), told)
        for painted in (fewer, label)
    )
    assert few[1] / few[0] < many[1] / many[0]
    label[:40] = np.where(mask[:40], 255, 0)  # a broad brush does not make the others vanish
    (part,) = prepare_parts(base, base.segment(image), label)
    found = guess.guess_frequencies([part], told)
    assert found[1] / found[0] == 1 / guess.MOST_APART


def test_of_several_images_what_is_guessed_says_how_frequent_a_class_is(base):
    image, mask = dots()
    (part,) = prepare_parts(base, base.segment(image), strokes_on(mask))
    told = torch.tensor([[0.7, 0.3]])
    painted = torch.bincount(part.label[part.label < 2].long()) / (part.label < 2).sum()
    for count in (1, 2, 5):
        found = guess.guess_frequencies([part] * count, [told] * count)
        expected = painted ** (1 / count) * told[0] ** (1 - 1 / count)
        assert torch.allclose(found, expected)


def test_halfway_the_network_has_a_say_in_what_it_is_held_to(base):
    image, mask = dots()
    parts = prepare_parts(base, base.segment(image), strokes_on(mask))
    tutor = Tutor(None, known=0, classes=2)
    assert not tutor.is_guessed
    (guessed,) = tutor.hold_to_guess(base, parts, 2)
    (both,) = tutor.hold_to_learned(base, [guessed])
    own = torch.from_numpy(base.segment(image, precision="float32").probabilities)
    assert tutor.is_guessed and torch.allclose(both.old, (guessed.old + own) / 2, atol=1e-5)


def test_the_network_is_asked_once_also_if_the_end_comes_sooner_than_was_foreseen(base):
    image, mask = dots()
    parts = prepare_parts(base, base.segment(image), strokes_on(mask))
    tutor = Tutor(None, known=0, classes=2)
    assert not tutor.asks(40, 40)  # there is no guess to correct
    guessed = tutor.hold_to_guess(base, parts, 2)
    assert not tutor.asks(19, 40) and tutor.asks(20, 40) and tutor.asks(30, 31)
    tutor.hold_to_learned(base, guessed)
    assert not tutor.asks(20, 40)


def test_a_class_that_is_rarer_wins_less_often_where_it_is_in_doubt(base):
    image, _ = dots()
    network = copy.deepcopy(base)
    before = network.segment(image, precision="float32")
    frequent = before.probabilities.mean((1, 2))
    shift_by_frequency(network, [before])
    after = network.segment(image, precision="float32").probabilities
    expected = before.probabilities * (frequent**POWER)[:, None, None]
    assert np.allclose(after, expected / expected.sum(0), atol=1e-5)
    rarer = frequent.argmin()
    assert (after[rarer] < before.probabilities[rarer]).all()


def test_a_class_that_is_very_rare_does_not_vanish(base):
    network = copy.deepcopy(base)
    likely = np.stack([np.full((4, 5), 0.999), np.full((4, 5), 0.001)]).astype(np.float32)
    shift_by_frequency(network, [SimpleNamespace(probabilities=likely)])
    first, second = (network.head.bias - base.head.bias).tolist()
    assert np.isclose(first - second, POWER * np.log(MOST_APART), atol=1e-5)


def test_only_what_is_guessed_is_shifted_by_frequency(base, monkeypatch):
    shifted = []
    monkeypatch.setattr("train.teaching.teach.shift_by_frequency", lambda *a: shifted.append(a))
    image, mask = dots()
    teach(base, [(image, strokes_on(mask))], lesson=QUICK)
    assert not shifted
    teach(base, [(image, strokes_on(mask))], classes=["dark", "bright"], lesson=QUICK)
    assert len(shifted) == 1


def test_what_is_guessed_is_learned_as_probabilities_and_the_threshold_says_so(base):
    image, mask = dots()
    taught = teach(base, [(image, strokes_on(mask))], classes=["dark", "bright"], lesson=QUICK)
    assert taught.model.threshold == 0.5


# ------------------------------------------------------------------- near, or far from it


@pytest.mark.parametrize(("right", "goes_on"), [(0.95, GENTLE_LESSON), (0.6, FAR_LESSON)])
def test_a_teaching_goes_on_gently_only_if_that_led_somewhere(right, goes_on):
    tutor = Tutor(None, known=2, classes=2)
    for step in range(9):
        tutor.hears(0.3 if step < 5 else right, step, 80)
        assert tutor.lesson is GENTLE_LESSON
    tutor.hears(right, 9, 80)
    assert tutor.lesson is goes_on
    assert tutor.held == Held(2, goes_on.anchor, goes_on.maps_anchor)
    for step in range(10, 80):
        tutor.hears(0.0, step, 80)
    assert tutor.lesson is goes_on  # it is decided once


def test_a_lesson_that_is_given_stays_and_new_classes_are_not_learned_gently():
    mine = Lesson(steps=8)
    for lesson, known, followed in ((mine, 2, mine), (None, 0, FAR_LESSON)):
        tutor = Tutor(lesson, known, 2)
        for step in range(8):
            assert not tutor.hears(0.0, step, 8)
        assert tutor.lesson is followed


def test_where_nothing_can_be_guessed_it_does_not_go_on_for_longer():
    assert Tutor(None, 0, 2, can_guess=False).lesson is USUAL_LESSON
    tutor = Tutor(None, 2, 2, can_guess=False)
    assert tutor.hears(0.0, 1, 8) and tutor.lesson is USUAL_LESSON


def test_a_trial_that_led_nowhere_is_followed_by_all_steps_of_the_other_lesson(base, monkeypatch):
    monkeypatch.setattr(tutor_module, "GENTLE_LESSON", replace(QUICK, steps=8))
    monkeypatch.setattr(tutor_module, "FAR_LESSON", replace(QUICK, steps=20))
    image, mask = dots()
    for learned, steps in ((0.0, 8), (1.1, 20)):
        monkeypatch.setattr(tutor_module, "PROMISING", 0.0)
        monkeypatch.setattr(tutor_module, "LEARNED", learned)
        assert teach(base, [(image, strokes_on(mask))]).steps == steps


def test_a_class_that_is_added_is_learned_whole_and_never_gently(base):
    image, mask = dots()
    label = strokes_on(mask)
    parts = prepare_parts(base, base.segment(image), label)
    tutor = Tutor(None, known=2, classes=3)
    assert tutor.lesson is USUAL_LESSON and tutor.lesson.share == 1
    assert not tutor.is_far(parts) and not tutor.hears(0.0, 150, 160)
    assert tutor.held.classes == 2  # nothing holds the new class down where nobody painted


def test_each_class_counts_alike_in_what_is_right():
    label = torch.full((1, 4, 4), 255)
    label[0, 0], label[0, 1, 0] = 0, 1
    logits = torch.zeros(1, 2, 4, 4)
    logits[:, 0] = 1  # all are of class 0
    assert share_right(logits, label) == 0.5
    assert share_right(logits, torch.full((1, 4, 4), 255)) == 1.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_weights_end_on_the_way_from_the_old_to_the_new_ones(base, share):
    image, mask = dots()
    painted = [(image, strokes_on(mask))]
    steps = {"steps": 4, "crops": 2, "side": 32, "learning_rate": 1e-2}
    every = teach(base, painted, lesson=Lesson(**steps)).model
    some = teach(base, painted, lesson=Lesson(**steps, share=share)).model
    for old, new, between in zip(
        base.parameters(), every.parameters(), some.parameters(), strict=True
    ):
        assert torch.allclose(between, old + share * (new - old), atol=1e-6)


def test_the_old_word_counts_as_much_as_it_is_better_than_chance(base):
    image, mask = dots()
    label = strokes_on(mask)
    (part,) = prepare_parts(base, base.segment(image), label)
    truth = torch.from_numpy(np.stack([mask == 0, mask == 1]).astype(np.float32))
    for old, right, share in ((truth, 1.0, 1.0), (truth.flip(0), 0.0, 0.0), (truth[:1], 0.5, 0.0)):
        old = old if len(old) == 2 else torch.stack([torch.ones(96, 80), torch.zeros(96, 80)])
        told = replace(part, old=old)
        assert right_before([told], 2) == right
        tutor = Tutor(None, known=2, classes=2)
        (both,) = tutor.hold_to_both(base, [told], 2)
        (guess,) = tutor.hold_to_guess(base, [told], 2)
        assert torch.allclose(both.old, share * old + (1 - share) * guess.old, atol=1e-5)
