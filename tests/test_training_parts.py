"""The paper's recipe, part by part, against references written out plainly."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from train.augmentation import Augmentation, elastic_displacement
from train.border_weights import border_weights, class_weights
from train.losses import weighted_cross_entropy
from unet_hf.synthetic import electron_micrograph, fluorescence_nuclei


def border_weights_by_definition(instances, w0, sigma):
    """Equation 2 word for word: the distance to every object, sorted."""
    ids = [index for index in np.unique(instances) if index != 0]
    distances = np.stack([ndimage.distance_transform_edt(instances != index) for index in ids])
    d1, d2 = np.sort(distances, axis=0)[:2]
    weights = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return np.where(instances == 0, weights, 0)


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_border_weights_equal_the_papers_equation(sigma):
    instances = fluorescence_nuclei(160, 25, seed=2).instances
    expected = border_weights_by_definition(instances, 10, sigma)
    found = border_weights(instances, 10, sigma)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5


def test_border_weights_do_not_depend_on_how_objects_are_numbered():
    instances = electron_micrograph(96, 12, seed=1).instances
    ids = np.unique(instances[instances > 0])
    renumbered = np.zeros_like(instances)
    for index in ids:
        renumbered[instances == index] = 1000 - 7 * index
    assert np.array_equal(border_weights(instances), border_weights(renumbered))


def test_border_weights_of_fewer_than_two_objects_are_zero():
    one = np.zeros((20, 20), int)
    assert border_weights(one).max() == 0
    one[5:9, 5:9] = 3
    assert border_weights(one).max() == 0
    assert border_weights(np.ones((5, 5), int)).max() == 0


def test_two_touching_objects_are_parted_by_the_full_weight():
    instances = np.zeros((11, 21), int)
    instances[:, :10], instances[:, 11:] = 1, 2
    weights = border_weights(instances, w0=10, sigma=5)
    assert weights[5, 10] == pytest.approx(10 * np.exp(-(2**2) / 50))  # d1 = d2 = 1
    assert weights[:, :10].max() == weights[:, 11:].max() == 0


def test_class_weights_average_one_and_leave_ignored_pixels_out():
    label = np.repeat(np.array([0, 1], np.uint8), [90, 10]).reshape(10, 10)
    frequencies = np.array([0.9, 0.1])
    weights = class_weights(label, frequencies, 255)
    assert weights.mean() == pytest.approx(1)
    assert weights[9, 0] / weights[0, 0] == pytest.approx(3)  # sqrt(0.9 / 0.1)
    label[0, 0] = 255
    assert class_weights(label, frequencies, 255)[0, 0] == 0


def test_weighted_cross_entropy_is_the_mean_over_pixels_that_count():
    logits = torch.randn(2, 3, 4, 5)
    label = torch.randint(0, 3, (2, 4, 5))
    weights = torch.rand(2, 4, 5)
    label[0, 0, :3] = 255
    log_p = torch.log_softmax(logits, dim=1)
    total = sum(
        -weights[b, y, x] * log_p[b, label[b, y, x], y, x]
        for b in range(2)
        for y in range(4)
        for x in range(5)
        if label[b, y, x] != 255
    )
    assert weighted_cross_entropy(logits, label, weights).item() == pytest.approx(
        (total / 37).item(), rel=1e-5
    )
    ignored = torch.full_like(label, 255)
    assert weighted_cross_entropy(logits, ignored, weights).item() == 0


def test_a_valid_networks_loss_looks_at_the_middle_of_the_label():
    logits, label, weights = (
        torch.randn(1, 2, 4, 4),
        torch.randint(0, 2, (1, 10, 10)),
        torch.ones(1, 10, 10),
    )
    expected = functional.cross_entropy(logits, label[:, 3:7, 3:7])
    assert weighted_cross_entropy(logits, label, weights).item() == pytest.approx(expected.item())


def plain(size, **options):
    """An augmentation with everything off but what is asked for."""
    off = {
        "elastic_std": 0,
        "rotation": 0,
        "scale_range": 1,
        "flip": False,
        "gray_std": 0,
        "noise_std": 0,
    }
    return Augmentation(size, **(off | options))


def labelled_picture(size=64, seed=0):
    drawing = fluorescence_nuclei(size, 10, seed)
    image = torch.from_numpy(drawing.image / np.float32(255))[None]
    return image, torch.from_numpy(drawing.label), torch.from_numpy(drawing.label + 1.0).float()


def test_a_crop_of_the_images_own_size_without_augmentation_is_the_image():
    image, label, weights = labelled_picture()
    crop, crop_label, crop_weights = plain(64).crop(image, label, weights, np.random.default_rng(0))
    assert torch.allclose(crop, image, atol=1e-4)
    assert torch.equal(crop_label, label.long())
    assert torch.allclose(crop_weights, weights, atol=1e-4)


def test_image_label_and_weights_are_deformed_alike():
    image, label, weights = labelled_picture()
    image = label[None].float()  # the label as the image: wherever it goes, the label must go
    augmentation = plain(48, elastic_std=4, rotation=180, scale_range=1.3, flip=True)
    for seed in range(5):
        crop, crop_label, crop_weights = augmentation.crop(
            image, label, weights, np.random.default_rng(seed)
        )
        assert ((crop[0] > 0.5).long() == crop_label).float().mean() > 0.98
        assert (((crop_weights - 1) > 0.5).long() == crop_label).float().mean() > 0.98


def test_the_same_state_of_chance_gives_the_same_crop():
    augmentation = Augmentation(48)
    first, second = (
        augmentation.crop(*labelled_picture(), np.random.default_rng([3, 14])) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (40, 300)])
def test_images_smaller_than_the_crop_are_mirrored(size):
    image = torch.rand(1, *size)
    label = torch.randint(0, 2, size, dtype=torch.uint8)
    crop, crop_label, _ = Augmentation(64).crop(
        image, label, torch.ones(size), np.random.default_rng(0)
    )
    assert crop.shape == (1, 64, 64)
    assert crop.isfinite().all()
    assert set(crop_label.unique().tolist()) <= {0, 1}


def test_elastic_displacement_is_scipys_spline_through_a_coarse_grid():
    size, std = 96, 10.0
    found = elastic_displacement(size, std, np.random.default_rng(5))
    coarse = np.random.default_rng(5).normal(0, std, (2, 3, 3)).astype(np.float32)
    for channel in range(2):
        expected = ndimage.zoom(coarse[channel], size / 3, order=3)
        assert np.abs(found[..., channel].numpy() - expected).max() < 1e-4


def test_elastic_displacements_have_the_papers_spread_at_the_grids_corners():
    rng = np.random.default_rng(0)
    corners = torch.stack([elastic_displacement(32, 10.0, rng)[0, 0] for _ in range(2000)])
    assert corners.std().item() == pytest.approx(10, rel=0.05)
