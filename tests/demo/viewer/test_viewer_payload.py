"""What the viewer is sent is exact: values of the file, codes of probabilities, maps and sizes."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from demo.viewer.component import focus, show_image, show_map, thinning
from demo.viewer.drawn_as_seen import draw_as_seen
from demo.viewer.payload import FINE, STEPS, entropy, probability_codes, viewer_folders
from unet_hf.errors import ConfigError
from unet_hf.images.pixel_size import PixelSize

from ...support.made_up import HEIGHT, TWO, WIDTH, gray_16, image_of

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int64", "float16", "float32"]


def planes_of(payload: dict) -> dict[str, np.ndarray]:
    """What a browser makes of the file."""
    content = Path(payload["data"]["path"]).read_bytes()
    return {
        plane["name"]: np.frombuffer(
            zlib.decompress(content[plane["start"] : plane["end"]]), plane["dtype"]
        )
        for plane in payload["planes"]
    }


@pytest.fixture(autouse=True)
def uploads(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_s_own_values_arrive(dtype: str):
    pixels = np.random.default_rng(0).normal(0, 50, (30, 41)).astype(dtype)
    sent = planes_of(show_image(image_of(pixels)))["image"]
    assert np.array_equal(sent.reshape(30, 41), pixels)


def test_the_code_is_exact_at_each_threshold_and_near_in_between():
    probability = np.random.default_rng(0).random((50, 60), np.float32)
    steps = np.float32([step / STEPS for step in range(STEPS + 1)])
    probability.ravel()[:101] = steps
    probability.ravel()[101:201] = np.nextafter(steps[:-1], np.float32(2))
    codes = probability_codes(probability)
    for step in range(STEPS):
        chosen = codes >= (step + 1) * FINE  # as colors.js has it
        assert np.array_equal(chosen, probability > step / STEPS)
    shown = (codes - np.float64(FINE - 0.5)) / FINE / STEPS
    shown[codes < FINE] = 0
    assert np.abs(shown - probability).max() < 1e-5


def test_entropy_is_0_where_sure_and_1_where_all_is_alike():
    probabilities = np.array([[[1, 1 / 3, 0.5]], [[0, 1 / 3, 0.5]], [[0, 1 / 3, 0]]], np.float32)
    found = entropy(probabilities)
    assert found == pytest.approx(np.array([[0, 1, np.log(2) / np.log(3)]]), abs=1e-6)


def test_images_up_to_4096_by_4096_are_sent_at_once():
    assert thinning(4096, 4096) == 1
    assert thinning(10, 100_000) == 1
    assert thinning(4097, 4096) == 2
    assert thinning(3 * 4096, 3 * 4096) == 3


def test_a_map_is_sent_as_it_is():
    mask = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    payload = show_map(image_of(gray_16()), mask, ["a"], ["#ffffff"], "a map")
    assert np.array_equal(planes_of(payload)["classes"].reshape(mask.shape), mask)
    assert focus(payload, {"x": 1, "y": 2, "width": 3, "height": 4})["focus"]["width"] == 3
    assert "focus" not in payload
    with pytest.raises(ConfigError, match="one class for each"):
        show_map(image_of(gray_16()), mask[1:], ["a"], ["#ffffff"], "a map")


def test_the_pixel_size_is_the_file_s_unless_one_is_given():
    image = image_of(gray_16(), pixel_size=PixelSize(4, 5, "nm"))
    assert show_image(image)["pixel_size"] == [4, "nm"]
    assert show_image(image, pixel_size=(0.25, "um"))["pixel_size"] == [0.25, "µm"]
    assert show_image(image_of(gray_16()))["pixel_size"] is None


@pytest.mark.parametrize(
    "place",
    [{}, {"x": 1, "y": 2}, {"x": 1, "y": 2, "zoom": 0}, {"x": float("nan"), "y": 2, "zoom": 1}],
)
def test_a_view_that_is_none_is_refused(place: dict):
    with pytest.raises(ConfigError, match="cannot be opened at"):
        show_image(image_of(gray_16()), camera=place)


def test_transfers_that_were_never_fetched_go_after_an_hour():
    image = image_of(gray_16())
    old, fresh = (Path(show_image(image)["data"]["path"]).parent for _ in range(2))
    os.utime(old, (0, 0))
    viewer_folders().sweep()
    assert fresh.exists()
    assert not old.exists()


def test_a_colour_map_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="no colour map 'Moon'; there are Gray"):
        draw_as_seen(TWO, {"opacity": 0.5, "colormap": "Moon"})
