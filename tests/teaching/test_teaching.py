"""A checkpoint that is taught by strokes, and the quick answers before it."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import unet_hf
from demo.teach.answer import answer
from train.teaching import teach as teach_module
from train.teaching.features import features_of
from train.teaching.judging import choose_threshold
from train.teaching.lesson import Lesson
from train.teaching.losses import anchor_loss, painted_loss
from train.teaching.pieces import find_pieces
from train.teaching.probe import folds, probe
from train.teaching.quick import learn
from train.teaching.student import known_classes, names_known_by, new_student, rename_classes
from train.teaching.teach import teach
from unet_hf import UNet, read_image
from unet_hf.errors import ConfigError

from ..support.dots import QUICK, dots, iou, strokes_on, untaught


@pytest.fixture(scope="module")
def base() -> UNet:
    return untaught()


# -------------------------------------------------------------------------------------- losses


def test_a_broad_stroke_weighs_as_much_as_a_thin_one():
    logits = torch.zeros(1, 2, 4, 4)
    logits[0, 1] = 1.0
    label = torch.full((1, 4, 4), 255)
    label[0, :3], label[0, 3, 0] = 0, 1  # 12 pixels of class 0, 1 of class 1
    low, high = np.log(1 + np.e), np.log(1 + 1 / np.e)
    assert painted_loss(logits, label).item() == pytest.approx((low + high) / 2)


def test_the_anchor_is_nothing_where_nothing_has_changed_or_all_is_painted():
    logits = torch.randn(2, 3, 4, 4)
    free = torch.full((2, 4, 4), 255)
    assert anchor_loss(logits, free, logits.softmax(1)).item() == pytest.approx(0, abs=1e-6)
    assert anchor_loss(logits, torch.zeros_like(free), torch.rand(2, 3, 4, 4)).item() == 0


# ------------------------------------------------------------------------------------ teaching


def test_it_learns_and_leaves_the_base_alone(base):
    image, mask = dots()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    lesson = Lesson(steps=60, crops=4, side=32, learning_rate=1e-2)
    taught = teach(base, [(image, strokes_on(mask))], lesson=lesson)
    unseen, truth = dots(seed=3)
    assert iou(taught.model.segment(unseen).mask, truth) > 0.7
    assert iou(base.segment(unseen).mask, truth) < 0.3
    assert taught.steps == 60 == len(taught.losses)
    assert all((before[name] == value).all() for name, value in base.state_dict().items())


def test_the_library_offers_it(base):
    image, mask = dots()
    said = []
    taught = unet_hf.teach(
        base, [(image, strokes_on(mask))], seconds=2, progress=lambda *now: said.append(now)
    )
    assert isinstance(taught.model, UNet) and "strokes kept aside" in taught.judgement.words
    assert [step for step, _, _ in said] == list(range(1, taught.steps + 1))


def test_the_same_strokes_give_the_same_network(base):
    image, mask = dots()
    first, second = (
        teach(base, [(image, strokes_on(mask))], lesson=QUICK).model.state_dict() for _ in range(2)
    )
    assert all((first[name] == second[name]).all() for name in first)


def test_a_class_can_be_added_without_losing_the_others(base):
    image, mask = dots()
    label = strokes_on(mask)
    label[0:3, 0:20] = 2
    names = ["background", "dot", "crack"]
    student = new_student(base, names)
    batch = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(student(batch)[:, :2], base(batch), atol=1e-6)
    assert known_classes(base, names) == 2
    taught = teach(base, [(image, label)], classes=names, lesson=QUICK)
    assert list(taught.model.id2label.values()) == names
    assert taught.model.threshold is None
    assert taught.judgement.steady is not None


def test_a_renamed_class_stays_the_one_the_base_knows(base):
    image, mask = dots()
    own, names, formerly = ["background", "dot"], ["background", "spot"], [[], ["dot"]]
    assert names_known_by(base, names, formerly) == own
    assert names_known_by(base, [*names, "crack"], [*formerly, ["gap"]]) == [*own, "crack"]
    assert names_known_by(base, names, [["void"], ["road"]]) == names  # another list
    assert names_known_by(base, own, [["void"], ["road"]]) == own  # called as the base does
    named = copy.deepcopy(base)
    rename_classes(named, names, formerly)
    assert list(base.id2label.values()) == own
    # Renamed once more, it is the same one for the base and for what was taught meanwhile.
    twice = ["background", "blob"], [[], ["dot", "spot"]]
    assert names_known_by(base, *twice) == own and names_known_by(named, *twice) == names
    taught = teach(named, [(image, strokes_on(mask))], classes=names, lesson=QUICK)
    assert list(taught.model.id2label.values()) == names
    assert taught.judgement.right_before is not None and taught.judgement.steady is not None
    found = answer(
        base, read_image(image), features_of(base, read_image(image)), strokes_on(mask), names,
        ["#000000", "#ffffff"], formerly,
    ).result  # fmt: skip
    assert found.id2label == {0: "background", 1: "spot"}
    assert found.threshold == base.threshold and found.object_channels == base.object_channels


def test_other_classes_begin_with_a_new_last_layer(base):
    image, mask = dots()
    taught = teach(base, [(image, strokes_on(mask))], classes=["gap", "grain"], lesson=QUICK)
    assert taught.judgement.right_before is None and taught.judgement.steady is None
    assert list(taught.model.id2label.values()) == ["gap", "grain"]


def test_it_ends_when_the_time_is_over(base):
    image, mask = dots()
    taught = teach(base, [(image, strokes_on(mask))], seconds=0, lesson=Lesson(side=32))
    assert 1 <= taught.steps < 80


def test_a_slow_beginning_does_not_cost_the_steps_that_the_time_suffices_for(base, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(teach_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    image, mask = dots()
    lesson = replace(QUICK, steps=100)

    def steps(each: float) -> int:
        """Those of a teaching that may take 20 s. each: Seconds of a step after the first five."""

        def wait(done: int, total: int, loss: float) -> None:
            clock[0] += 1 if done <= 5 else each

        painted = [(image, strokes_on(mask))]
        return teach(base, painted, seconds=20, lesson=lesson, progress=wait).steps

    assert steps(0.01) == 100
    assert 17 <= steps(1.0) <= 21


def test_whoever_cancels_is_obeyed(base):
    image, mask = dots()

    def cancel(done: int, total: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(base, [(image, strokes_on(mask))], lesson=QUICK, progress=cancel)


@pytest.mark.parametrize(
    ("label", "classes", "says"),
    [
        (np.full((96, 80), 255, np.uint8), None, "Nothing is painted"),
        (np.full((96, 80), 1, np.uint8), ["background", "dot", "crack"], "crack"),
        (np.full((96, 80), 2, np.uint8), None, "Class 2 is painted"),
        (np.full((9, 9), 1, np.uint8), None, r"\(9, 9\)"),
        (np.full((96, 80), 1, np.uint8), ["one", "one"], "a name of its own"),
    ],
)
def test_strokes_that_teach_nothing_are_refused_in_words(base, label, classes, says):
    with pytest.raises(ConfigError, match=says):
        teach(base, [(dots()[0], label)], classes=classes, lesson=QUICK)


def test_a_taught_checkpoint_is_saved_and_loaded(base, tmp_path):
    image, mask = dots()
    taught = teach(base, [(image, strokes_on(mask))], lesson=QUICK).model
    taught.save_pretrained(tmp_path / "taught")
    loaded = UNet.from_pretrained(tmp_path / "taught")
    assert (loaded.segment(image).mask == taught.segment(image).mask).all()


def test_the_threshold_stays_unless_strokes_speak_against_it(base):
    image, _ = dots()
    result = base.segment(image)
    probability = np.full(result.mask.shape, 0.42, np.float32)
    probability[:, :40] = 0.2
    object.__setattr__(result, "probabilities", np.stack([1 - probability, probability]))
    label = np.full(result.mask.shape, 255, np.uint8)
    label[:5, :5], label[:5, 50:55] = 0, 1
    assert choose_threshold([result], [label], start=0.3) == 0.3
    assert choose_threshold([result], [label], start=0.6) == pytest.approx(0.4)
    assert choose_threshold([result], [np.full_like(label, 255)], start=0.6) == 0.6


# ------------------------------------------------------------------------------ quick learning


def test_the_features_of_the_quick_learner_are_the_networks_own(base):
    image = read_image(dots()[0])
    features = features_of(base, image)
    with torch.no_grad():
        expected = base(base.preprocessing.prepare(image).whole()[None])[0]
    assert (features.logits - expected).square().mean().sqrt() <= 0.02 * expected.std()
    rows, columns = np.array([0, 50, 95]), np.array([79, 3, 40])
    channels = features.at(rows, columns).shape[1]
    weight = torch.randn(2, channels) / channels
    everywhere = features.linear(weight)
    at_places = features.at(rows, columns) @ weight.T
    assert torch.allclose(everywhere[:, rows, columns].T, at_places, atol=0.05)


def test_a_stroke_is_answered_and_far_from_all_of_them_little_changes(base):
    image, mask = dots()
    features = features_of(base, read_image(image))
    learned = learn([(features, strokes_on(mask))], known=0, classes=2)
    answered = learned.probabilities(features)
    assert answered.shape == (2, 96, 80)
    assert np.allclose(answered.sum(0), 1, atol=1e-4)
    assert (answered.argmax(0) == mask).mean() > 0.9


def test_what_is_too_large_for_quick_answers_is_refused_in_words(base, monkeypatch):
    monkeypatch.setattr("train.teaching.features.MOST_PIXELS", 10)
    with pytest.raises(ConfigError, match="megapixels"):
        features_of(base, read_image(dots()[0]))


# ------------------------------------------------------------------------------ the best start


def test_the_checkpoint_that_knows_such_images_is_the_best_start(base):
    image, mask = dots()
    label = strokes_on(mask)
    knows = teach(base, [(image, label)], lesson=Lesson(steps=60, side=32, learning_rate=1e-2))
    unseen, truth = dots(seed=5)
    three_channels = UNet(5, 2, base_channels=2, depth=1).eval()
    checkpoints = {"base": base, "knows": knows.model, "does not fit": three_channels}
    found = probe(checkpoints, read_image(unseen), strokes_on(truth), ["background", "dot"])
    assert [one.name for one in found] == ["knows", "base"]
    assert found[0].pieces == len(find_pieces(strokes_on(truth)))
    assert 0.5 < found[0].right <= 1


def test_every_piece_is_foretold_once_and_a_single_one_never():
    label = np.full((9, 30), 255, np.uint8)
    label[4, ::3] = 0
    label[0, 0] = 1
    divided = folds(find_pieces(label))
    assert sorted(len(fold) for fold in divided) == [3, 3, 4]
    assert {piece.class_id for fold in divided for piece in fold} == {0}
