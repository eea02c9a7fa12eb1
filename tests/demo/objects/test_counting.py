"""How a visitor says what an object is; what follows a slider is what is measured later."""

import numpy as np
import pytest

from demo.objects.counting import read_counting, show_counting, with_seed
from demo.objects.parting import count_objects, cut_in_view, part_objects
from demo.parts.object_options import method_words
from demo.server import limits
from unet_hf.errors import ConfigError, TooManyObjectsError

from ...support.drawn import drawn
from ...support.serving import CELLS, brightness_is_depth, cones

RECIPE = {"method": "learned", "min_size": 5, "seed": 0.5}


@pytest.fixture(scope="module")
def result():
    return brightness_is_depth().segment(cones(96, CELLS))


def test_the_fields_say_what_the_checkpoint_says_and_offer_what_it_can():
    value = show_counting(RECIPE, learned=True)
    assert read_counting(value) == RECIPE | {"exclude_border": False}
    assert [name for _, name in value["methods"]] == ["components", "watershed", "learned"]
    plain = show_counting({"method": "components", "min_size": 0})
    assert [name for _, name in plain["methods"]] == ["components", "watershed"]
    assert plain["seed"] is None
    assert method_words("learned", 0.5) == "parted as the network learned from seed height 0.50"


def test_a_way_that_has_a_seed_brings_the_checkpoints_own(result):
    value = show_counting({"method": "components", "min_size": 0}) | {"method": "learned"}
    assert with_seed(value, result)["seed"] == 0.5
    assert with_seed(value | {"seed": 0.3}, result)["seed"] == 0.3
    assert with_seed(value | {"seed": 0.3, "method": "watershed"}, result)["seed"] is None


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "learned", "seed": 7}, "seed=7 is not a number from 0 to 1"),
        ({"method": "learned", "seed": "high"}, "seed='high' is not a number"),
        ({"method": "components", "min_size": "-5"}, "Type a number of pixels"),
    ],
)
def test_what_no_field_can_say_is_refused(sent: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        read_counting(sent)


@pytest.mark.parametrize("method", ["components", "watershed", "learned"])
def test_what_follows_a_slider_is_what_is_measured_when_it_rests(result, method: str):
    seed = 0.7 if method == "learned" else None
    for least, whole in ((0, False), (450, False), (0, True)):
        how = {"method": method, "seed": seed, "min_size": least, "exclude_border": whole}
        measured, parted = count_objects(result, how, None, None), part_objects(result, how, None)
        assert np.array_equal(parted.labels, measured.labels)
        assert np.array_equal(parted.hues, measured.hues)
        assert parted.counts() == measured.objects.counts()
        assert count_objects(result, how, None, parted).instances is parted.instances
        again = part_objects(result, how | {"min_size": 3}, parted)
        assert again.instances is parted.instances  # another size needs no new ones


def test_objects_of_several_classes_are_counted_by_class():
    found = drawn(np.array([[1, 0, 2, 0, 2]]), names=("ground", "cell", "vessel"))
    how = {"method": "components", "seed": None, "min_size": 0, "exclude_border": False}
    assert part_objects(found, how, None).counts() == {"cell": 1, "vessel": 2}


def test_too_many_objects_are_not_sent(result, monkeypatch):
    monkeypatch.setattr(limits, "MAX_OBJECTS", 2)
    with pytest.raises(TooManyObjectsError):
        part_objects(result, read_counting(show_counting(RECIPE, True)), None)


def test_a_cut_that_knows_its_basins_is_taken_again(result):
    cut = result.with_threshold(0.8)
    earlier = part_objects(cut, read_counting(show_counting(RECIPE, True)), None)
    assert cut_in_view(result, {"threshold": 0.8}, earlier) is cut
    assert cut_in_view(result, {"threshold": 0.7}, earlier).threshold == 0.7
    other = drawn(np.eye(3))
    assert cut_in_view(other, {"threshold": other.threshold}, earlier) is other
