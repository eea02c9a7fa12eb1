"""Strokes, and a checkpoint that is taught by them."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import unet_hf
from demo.teach.answer import answer
from train.teaching import guess
from train.teaching.features import features_of
from train.teaching.judging import choose_threshold
from train.teaching.lesson import GENTLE_LESSON, USUAL_LESSON, Lesson
from train.teaching.losses import anchor_loss, painted_loss, share_right
from train.teaching.pictures import painted_boxes, prepare_parts
from train.teaching.pieces import find_pieces, keep_aside, without
from train.teaching.probe import folds, probe
from train.teaching.quick import learn
from train.teaching.strokes import Stroke, as_json, raster, read_strokes
from train.teaching.student import known_classes, names_known_by, new_student, rename_classes
from train.teaching.teach import teach
from train.teaching.tutor import Held, Tutor, right_before
from unet_hf import UNet, read_image
from unet_hf.errors import ConfigError

QUICK = Lesson(steps=12, crops=2, side=32)


def dots(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A gray image of bright discs, and their mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :80]
    mask = np.zeros((96, 80), np.uint8)
    for _ in range(6):
        mask[(y - rng.integers(10, 86)) ** 2 + (x - rng.integers(10, 70)) ** 2 < 64] = 1
    return (60 + 90 * mask + rng.normal(0, 8, mask.shape)).astype(np.uint8), mask


def strokes_on(mask: np.ndarray, each: int = 5) -> np.ndarray:
    """Squares of 3 x 3 px with their class, and 255 elsewhere."""
    rng = np.random.default_rng(1)
    label = np.full(mask.shape, 255, np.uint8)
    inner = mask[1:-1, 1:-1]
    for class_id in (0, 1):
        for y, x in rng.permutation(np.argwhere(inner == class_id))[:each]:
            label[y : y + 3, x : x + 3] = class_id
    return np.where(label == mask, label, 255).astype(np.uint8)


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return ((mask == 1) & (truth == 1)).sum() / ((mask == 1) | (truth == 1)).sum()


@pytest.fixture(scope="module")
def base() -> UNet:
    torch.manual_seed(0)
    return UNet(1, 2, base_channels=4, depth=2, id2label={"0": "background", "1": "dot"}).eval()


# ------------------------------------------------------------------------------------- strokes


def test_a_stroke_covers_the_pixels_whose_centres_are_within_its_radius():
    # From the centre of pixel (row 1, column 1) to that of column 3, a radius of one pixel.
    label = raster([Stroke(1, 4, np.array([[6, 6], [14, 6]]))], (4, 6))
    expected = [
        [255, 1, 1, 1, 255, 255],
        [1, 1, 1, 1, 1, 255],
        [255, 1, 1, 1, 255, 255],
        [255, 255, 255, 255, 255, 255],
    ]
    assert label.tolist() == expected


def test_a_slanted_stroke_covers_what_the_distance_says():
    """Against the distance to the line in floating point, none of whose pixels is a near miss."""
    a, b, radius = np.array([3.0, 5.0]), np.array([37.0, 22.0]), 11.1
    y, x = np.mgrid[:32, :40] * 4.0 + 2
    along = ((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) ** 2).sum()
    near = a + np.clip(along, 0, 1)[..., None] * (b - a)
    inside = np.hypot(x - near[..., 0], y - near[..., 1]) <= radius
    label = raster([Stroke(0, 11, np.array([a, b]).astype(np.int64))], (32, 40))
    assert ((label == 0) == inside).all()


def test_later_strokes_win_and_the_eraser_takes_away():
    dot = np.array([[6, 6]])
    strokes = [Stroke(0, 12, dot), Stroke(1, 4, dot), Stroke(255, 1, dot)]
    label = raster(strokes, (4, 4))
    assert label[1, 1] == 255 and label[0, 1] == 1 and label[3, 1] == 0


def test_strokes_outside_the_image_cover_nothing_of_it():
    assert (raster([Stroke(1, 8, np.array([[-400, -400]]))], (5, 5)) == 255).all()
    assert (raster([Stroke(1, 8, np.array([[400, 2]]))], (5, 5)) == 255).all()


def test_strokes_are_read_as_they_are_written():
    strokes = [Stroke(1, 8, np.array([[4, 4], [40, 8]])), Stroke(255, 2, np.array([[0, 0]]))]
    read = read_strokes(as_json(strokes), 2)
    assert [(one.class_id, one.radius) for one in read] == [(1, 8), (255, 2)]
    assert (read[0].points == strokes[0].points).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"class": 1}, "a list"),
        ([{"class": 2, "radius": 4, "points": [0, 0]}], "the classes 0 to 1"),
        ([{"class": 1, "radius": 0, "points": [0, 0]}], "radius 0"),
        ([{"class": 1, "radius": 4, "points": [0, 0, 5]}], "cannot be read"),
        ([{"class": 1, "radius": 4, "points": []}], "0 points"),
        ([{"class": 1, "radius": 4, "points": [0, 0, 2000, 0]}], "apart"),
        ([{"class": "one", "radius": 4, "points": [0, 0]}], "cannot be read"),
        ([None], "cannot be read"),
    ],
)
def test_what_is_no_stroke_is_refused_in_words(given, says):
    with pytest.raises(ConfigError, match=says):
        read_strokes(given, 2)


# ---------------------------------------------------------------------------------- kept aside


def test_whole_pieces_are_kept_aside_and_never_learned_from():
    label = np.full((20, 40), 255, np.uint8)
    for column in range(0, 40, 5):
        label[2:4, column : column + 2] = 0
        label[10:14, column : column + 2] = 1
    pieces = find_pieces(label)
    aside = keep_aside(pieces, seed=0)
    assert len(pieces) == 16
    assert sorted(piece.class_id for piece in aside) == [0, 0, 1, 1]
    learned = without(label, aside)
    assert (learned != 255).sum() == (label != 255).sum() - sum(p.pixels.sum() for p in aside)
    assert all((learned[p.rows, p.columns][p.pixels] == 255).all() for p in aside)


def test_few_pieces_are_all_learned_from():
    label = np.full((9, 9), 255, np.uint8)
    label[0, 0] = label[4, 4] = label[8, 8] = 1
    assert keep_aside(find_pieces(label), seed=0) == []


def test_strokes_of_a_class_that_touch_are_one_piece():
    label = np.full((9, 9), 255, np.uint8)
    label[0:3, 0] = label[3, 1] = 1
    assert len(find_pieces(label)) == 1


def test_the_boxes_of_a_large_image_hold_all_that_is_painted():
    label = np.full((3000, 2000), 255, np.uint8)
    label[10, 10] = label[2990, 1990] = 0
    covered = np.zeros(label.shape, bool)
    for rows, columns in painted_boxes(label):
        covered[rows, columns] = True
    assert covered[label != 255].all() and covered.mean() < 0.2


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
    assert torch.allclose(features.logits, expected, atol=0.05)
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
    own = torch.from_numpy(base.segment(image).probabilities)
    assert tutor.is_guessed and torch.allclose(both.old, (guessed.old + own) / 2, atol=1e-5)


def test_what_is_guessed_is_learned_as_probabilities_and_the_threshold_says_so(base):
    image, mask = dots()
    taught = teach(base, [(image, strokes_on(mask))], classes=["dark", "bright"], lesson=QUICK)
    assert taught.model.threshold == 0.5


# ------------------------------------------------------------------- near, or far from it


@pytest.mark.parametrize(("right", "goes_on"), [(0.95, GENTLE_LESSON), (0.6, USUAL_LESSON)])
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
    for lesson, known, followed in ((mine, 2, mine), (None, 0, USUAL_LESSON)):
        tutor = Tutor(lesson, known, 2)
        for step in range(8):
            assert not tutor.hears(0.0, step, 8)
        assert tutor.lesson is followed


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
