"""What `segment` returns and what `save` writes."""

import json

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.predict.overlay import draw_overlay


@pytest.fixture(scope="module")
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2, id2label={"0": "ground", "1": "cell"})


@pytest.fixture(scope="module")
def five_classes() -> UNet:
    torch.manual_seed(1)
    return UNet(3, 5, base_channels=4, depth=2)


def test_fields_have_the_images_size_and_the_promised_types(model, five_classes, gray_image):
    for network in (model, five_classes):
        result = network.segment(gray_image)
        classes = network.config["num_classes"]
        assert result.mask.shape == gray_image.shape
        assert result.mask.dtype == np.uint8
        assert result.probabilities.shape == (classes, *gray_image.shape)
        assert result.probabilities.dtype == np.float32
        assert np.abs(result.probabilities.sum(axis=0) - 1).max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (17, 31)])
def test_the_smallest_and_thinnest_images_have_masks(model, shape):
    image = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    assert model.segment(image).mask.shape == shape


def test_two_classes_are_decided_by_the_threshold_more_by_the_most_probable(
    model, five_classes, gray_image
):
    result = model.segment(gray_image, threshold=0.3)
    assert np.array_equal(result.mask, result.probabilities[1] > 0.3)
    result = five_classes.segment(gray_image)
    assert np.array_equal(result.mask, result.probabilities.argmax(axis=0))
    assert result.threshold is None


def test_the_checkpoints_threshold_is_used_unless_another_is_given(gray_image):
    torch.manual_seed(0)
    model = UNet(base_channels=4, depth=2, threshold=0.2)
    assert model.segment(gray_image).threshold == 0.2
    assert model.segment(gray_image, threshold=0.7).threshold == 0.7
    assert model.segment(gray_image, threshold=np.float32(0.5)).threshold == 0.5


def test_cutting_again_equals_segmenting_again(model, gray_image):
    cut = model.segment(gray_image).with_threshold(0.61)
    again = model.segment(gray_image, threshold=0.61)
    assert np.array_equal(cut.mask, again.mask)
    assert cut.threshold == 0.61


def test_a_single_output_may_be_named_alone(model, gray_image, tmp_path):
    assert list(model.segment(gray_image).save(tmp_path, only="mask")) == ["mask"]


def test_areas_add_up_and_name_absent_classes(five_classes):
    areas = five_classes.segment(np.zeros((10, 20, 3), np.uint8)).areas()
    assert list(areas) == [f"class {index}" for index in range(5)]
    assert sum(area["pixels"] for area in areas.values()) == 200
    assert sum(area["share"] for area in areas.values()) == pytest.approx(1)


def test_overlay_is_the_image_at_0_the_colours_at_1_and_the_blend_between():
    display = np.array([[[0, 100, 200], [255, 255, 255]]], np.uint8)
    mask = np.array([[0, 1]], np.uint8)
    colors = ["#000000", "#ff8000"]
    assert np.array_equal(draw_overlay(display, mask, colors, 0), display)
    assert np.asarray(draw_overlay(display, mask, colors, 1)).tolist() == [
        [[0, 0, 0], [255, 128, 0]]
    ]
    assert np.asarray(draw_overlay(display, mask, colors, 0.5)).tolist() == [
        [[0, 50, 100], [255, 192, 128]]
    ]
    with pytest.raises(ConfigError, match="alpha"):
        draw_overlay(display, mask, colors, 2)


def test_saved_files_hold_exact_ids_and_probabilities(five_classes, gray_image, tmp_path):
    result = five_classes.segment(gray_image)
    paths = result.save(tmp_path / "new" / "folder")
    with PIL.Image.open(paths["mask"]) as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.asarray(mask), result.mask)
        assert len(set(mask.convert("RGB").get_flattened_data())) == len(np.unique(result.mask))
    with PIL.Image.open(paths["overlay"]) as overlay:
        assert overlay.size == gray_image.shape[::-1]
    with tifffile.TiffFile(paths["probabilities"]) as tiff:
        assert np.array_equal(tiff.asarray(), result.probabilities)
        assert tiff.series[0].axes == "CYX"
    summary = json.loads(paths["summary"].read_text())
    assert summary["size"] == [130, 90]
    assert summary["areas"] == result.areas()
    assert {path.name for path in paths["mask"].parent.iterdir()} == {
        path.name for path in paths.values()
    }


def test_a_failed_write_leaves_no_file_under_its_final_name(
    model, gray_image, tmp_path, monkeypatch
):
    result = model.segment(gray_image)

    def half_written(path, *arguments, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", half_written)
    with pytest.raises(OSError, match="No space left"):
        result.save(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tif"]


def test_a_file_in_place_of_the_folder_is_told_and_left(model, gray_image, tmp_path):
    taken = tmp_path / "mask.png"
    taken.write_text("mine")
    for folder in (taken, taken / "below"):
        with pytest.raises(ConfigError, match="cannot be made"):
            model.segment(gray_image).save(folder)
    assert taken.read_text() == "mine"


def test_a_rotated_photograph_gets_a_mask_as_it_is_seen(model, tmp_path):
    picture = PIL.Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to see it upright"
    picture.save(tmp_path / "photo.jpg", exif=exif)
    result = model.segment(tmp_path / "photo.jpg")
    assert result.mask.shape == (30, 20)
    assert any("orientation" in note for note in result.notes)


def test_what_was_inferred_is_on_the_result(five_classes, tmp_path):
    stack = np.random.default_rng(0).integers(0, 65536, (3, 12, 14), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    result = five_classes.segment(tmp_path / "stack.tif", page=1)
    assert result.image.axes == "ZYX"
    assert str(result.image.dtype) == "uint16"
    assert (result.image.page, result.image.pages) == (1, 3)
    notes = " ".join(result.notes)
    assert "page 1 of 3" in notes
    assert "three equal channels" in notes
    assert np.array_equal(result.probabilities, five_classes.segment(stack[1]).probabilities)


def test_a_result_keeps_its_image_where_the_array_is_filled_with_the_next(model):
    camera = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    first = camera.copy()
    result = model.segment(camera)
    overlay = np.asarray(result.overlay())
    camera[:] = 0
    assert np.array_equal(result.image.pixels[..., 0], first)
    assert np.array_equal(np.asarray(result.overlay()), overlay)


def test_results_can_be_compared_and_collected(model):
    """Each is equal to itself alone; arrays have no one answer to whether they are equal."""
    camera = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    one, other = model.segment(camera), model.segment(camera)
    for first, second in (
        (one, other),
        (one.image, other.image),
        (one.objects(), other.objects()),
    ):
        assert first == first
        assert first != second
        assert len({first, second, first}) == 2
