"""Drawn pictures: what is in them is what their truth says."""

import numpy as np
import pytest
from scipy import ndimage

from demo.synthetic import Drawing, fluorescence_nuclei, phase_contrast, stained_nuclei

DRAWINGS = {
    "fluorescence": lambda seed: fluorescence_nuclei(128, 20, seed),
    "stained": lambda seed: stained_nuclei(256, 100, seed),
    "phase": lambda seed: phase_contrast(256, 24, seed, touching=0.5),
}


@pytest.fixture(scope="module")
def drawings() -> dict[str, Drawing]:
    return {name: draw(0) for name, draw in DRAWINGS.items()}


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("fluorescence", np.uint8, (128, 128)),
        ("stained", np.uint8, (256, 256, 3)),
        ("phase", np.uint16, (256, 256)),
    ],
)
def test_a_drawing_has_its_objects_as_truth(drawings, name, dtype, shape):
    drawing = drawings[name]
    assert (drawing.image.dtype, drawing.image.shape) == (dtype, shape)
    assert (drawing.instances.dtype, drawing.instances.shape) == (np.int32, shape[:2])
    assert drawing.label.dtype == np.uint8
    np.testing.assert_array_equal(drawing.label, drawing.instances > 0)
    assert len(np.unique(drawing.instances)) > 15
    assert share_that_touches(drawing.instances) > 0.15


def share_that_touches(instances: np.ndarray) -> float:
    """The share of the objects that have a pixel of another object beside them."""
    highest = ndimage.maximum_filter(instances, 3)
    low = np.where(instances == 0, instances.max() + 1, instances)
    lowest = ndimage.minimum_filter(low, 3)
    beside = (instances > 0) & ((highest != instances) | (lowest != instances))
    return len(np.unique(instances[beside])) / (len(np.unique(instances)) - 1)


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_same_seed_draws_the_same_picture(drawings, name):
    again, other = DRAWINGS[name](0), DRAWINGS[name](1)
    np.testing.assert_array_equal(again.image, drawings[name].image)
    np.testing.assert_array_equal(again.instances, drawings[name].instances)
    assert not np.array_equal(other.image, again.image)


def test_ids_of_cells_have_no_gaps_although_some_are_out_of_the_picture(drawings):
    instances = drawings["phase"].instances
    np.testing.assert_array_equal(np.unique(instances), np.arange(instances.max() + 1))


def test_phase_contrast_has_bright_halos_around_bodies_as_gray_as_the_ground():
    def gray(halo: float) -> tuple[float, float]:
        drawing = phase_contrast(256, 24, 0, halo=halo)
        outside = ndimage.distance_transform_edt(drawing.instances == 0)
        inside = ndimage.distance_transform_edt(drawing.instances)
        image = drawing.image.astype(float)
        ground = np.median(image[outside > 12])
        return (
            np.median(image[(outside > 0) & (outside < 2)]) / ground - 1,
            np.median(image[inside > 6]) / ground - 1,
        )

    halo, body = gray(1.0)
    assert halo > 0.05
    assert abs(body) < halo / 2
    assert 0 < gray(0.3)[0] < halo / 2


@pytest.mark.parametrize("brown", [0.0, 0.5, 1.0])
def test_as_many_nuclei_are_brown_as_asked(brown):
    drawing = stained_nuclei(256, 100, 0, brown=brown)
    red, _, blue = np.moveaxis(drawing.image.astype(float), 2, 0)
    ids = np.arange(1, drawing.instances.max() + 1)
    redder = ndimage.mean(red - blue, drawing.instances, ids) > 0
    assert abs(redder.mean() - brown) < 0.15


def test_tissue_is_pink_of_eosin_and_nuclei_are_darker():
    drawing = stained_nuclei(256, 100, 0, brown=0, eosin=0.15)
    tissue, nuclei = (np.median(drawing.image[drawing.label == label], axis=0) for label in (0, 1))
    assert (nuclei < tissue).all()
    assert tissue[0] > tissue[1] + 20
    assert tissue[2] > tissue[1] + 20
