"""Crops around pixels of a class drawn evenly: `class_sampling`."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from train.checks.inspection import Inspection, PairSummary
from train.config import TrainingConfig
from train.crops.augmentation import Augmentation
from train.crops.class_sampling import MOST_PLACES, find_places
from train.crops.crops import CropMaker, RandomCrops
from unet_hf.data.pairs import Pair
from unet_hf.images.preprocessing import Preprocessing
from unet_hf.images.reading import read_image

SIZE = 32


class Images(list):
    """Pairs in memory."""

    once = list.__getitem__


def pair(*corners: tuple[int, int]) -> Pair:
    """(150, 180) of class 0 and 1, with 3 x 3 px of class 2 at these places."""
    label = np.zeros((150, 180), np.uint8)
    label[:, 90:] = 1
    for y, x in corners:
        label[y : y + 3, x : x + 3] = 2
    return Pair("drawn", read_image(label * 100), label, None, {})


def crops_of(pairs: Images, sampling: float | None, **changes) -> RandomCrops:
    config = TrainingConfig(dataset_name="d", class_sampling=sampling, border_weight=0).usual()
    augmentation = Augmentation(SIZE, **({"elastic_std": 0} | changes))
    maker = CropMaker(Preprocessing(("gray",)), augmentation, np.ones(3), config)
    shows = np.array([[(one.label == number).any() for one in pairs] for number in range(3)])
    return RandomCrops(pairs, np.full(len(pairs), 27000.0), maker, shows=shows)


def test_a_rare_class_is_in_its_share_of_the_crops():
    """Nine pixels, in the corner of one of twenty images."""
    pairs = Images([pair() for _ in range(19)] + [pair((147, 177))])
    for sampling, least, most in ((0.0, 0, 0.02), (0.6, 0.15, 0.25), (1.0, 0.28, 0.38)):
        crops = crops_of(pairs, sampling)
        shown = np.mean([bool((crops[number][1] == 2).any()) for number in range(400)])
        assert least <= shown <= most


def test_the_pixel_may_be_anywhere_in_its_crop_also_deformed():
    crops = crops_of(Images([pair((70, 80))]), 1.0, rotation=0, scale_range=1, flip=False)
    seen = [torch.nonzero(crops[number][1] == 2).float() for number in range(300)]
    middles = torch.stack([places.mean(0) for places in seen if len(places) == 9])
    assert len(middles) > 60
    for axis in range(2):
        assert middles[:, axis].min() < 6
        assert middles[:, axis].max() > SIZE - 6


@pytest.mark.parametrize("sampling", [None, 0.0])
def test_without_it_crops_are_cut_as_ever(sampling):
    """Image, then place, then deformation are drawn from the crop's own generator."""
    pairs = Images([pair((70, 80)), pair()])
    crops = crops_of(pairs, sampling)
    for number in range(4):
        rng = np.random.default_rng([0, number])
        prepared = crops.maker.prepare(pairs[int(rng.choice(2, p=[0.5, 0.5]))])
        image, label, planes = crops.maker.augmentation.crop(*prepared, rng)
        assert all(map(torch.equal, crops[number], (image, label, planes[0], planes[1:])))


def test_what_is_kept_of_an_image_takes_the_memory_that_is_foreseen():
    maker = crops_of(Images([pair()]), None).maker
    kept = maker.prepare(pair((70, 80)))
    assert sum(tensor.nbytes for tensor in kept) == maker.pixel_bytes * kept[0][0].numel()


def test_a_crop_depends_only_on_its_number():
    pairs = Images([pair((70, 80)), pair(), pair((3, 3))])
    crops = crops_of(pairs, 0.5)
    late = crops[7]
    assert all(map(torch.equal, late, crops_of(pairs, 0.5)[7]))


def test_of_a_stream_the_class_is_one_of_the_image():
    maker = crops_of(Images([pair()]), 1.0).maker
    alone = maker.prepare(pair((70, 80)))
    shown = [(maker.cut_alone(alone, maker.generator(n))[1] == 2).any() for n in range(200)]
    assert 0.25 < np.mean(shown) < 0.5
    maker.cut_alone(maker.prepare(pair()), maker.generator(0))  # two classes


def test_few_of_many_pixels_are_kept_and_ignored_ones_are_not():
    label = np.zeros((300, 300), np.uint8)
    label[:2] = 3
    label[10:] = 255
    places = find_places(label)
    assert [len(found) for found in places] == [2400, 0, 0, 600]
    large = find_places(np.ones((300, 300), np.uint8))
    assert [len(found) for found in large] == [0, MOST_PLACES]
    assert len(np.unique(large[1] % 300)) == 300  # spread, no grid
    assert find_places(np.full((2, 2), 255, np.uint8)) == []


def test_the_inspection_says_which_images_show_a_class():
    def facts(row: int, *shown: int) -> PairSummary:
        counts = np.zeros(256, np.int64)
        counts[list(shown)] = 5
        return PairSummary("x", row, counts=counts)

    inspection = Inspection([facts(0, 0, 1), facts(4, 0, 2)], [], 3, 0)
    shows = inspection.shows(SimpleNamespace(indices=np.array([0, 2, 4])), 3)
    assert shows.tolist() == [[True, False, True], [True, False, False], [False, False, True]]
