"""The demo's functions without a server, and its endpoint through the real client."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demo.server.checkpoints.models import Offer, load_model
from demo.server.errors_in_words import page_sentence, plain_sentence
from demo.server.results.result_files import write_result
from demo.viewer.component import show_result
from demo.viewer.payload import threshold_levels
from unet_hf import UNet
from unet_hf.errors import ConfigError, UNetError
from unet_hf.predict.overlay import Look

from ...support.bad_inputs import BAD_INPUTS


@pytest.fixture(scope="module")
def client(demo_url: str) -> Client:
    return Client(demo_url, verbose=False)


@pytest.fixture
def picture(tmp_path, gray_image) -> Path:
    path = tmp_path / "slice 1.png"
    PIL.Image.fromarray(gray_image).save(path)
    return path


def test_endpoint_returns_overlay_mask_and_summary(client, picture):
    overlay, mask, summary = client.predict(
        handle_file(str(picture)), "unet-isbi", api_name="/segment"
    )
    expected = UNet.from_pretrained("unet-isbi").segment(picture)
    with PIL.Image.open(mask) as image:
        assert np.array_equal(np.asarray(image), expected.mask)
    with PIL.Image.open(overlay) as image:
        assert image.size == (130, 90)
    assert summary["size"] == [130, 90]
    assert summary["areas"] == expected.areas()
    assert summary["classes"] == {"0": "membrane", "1": "cell"}
    assert summary["seconds"] > 0


def test_endpoint_file_is_byte_for_byte_what_python_saves(client, picture, tmp_path):
    _, mask, _ = client.predict(handle_file(str(picture)), "unet-isbi", api_name="/segment")
    saved = UNet.from_pretrained("unet-isbi").segment(picture).save(tmp_path / "out")["mask"]
    assert Path(mask).read_bytes() == saved.read_bytes()


def test_endpoint_takes_a_threshold(client, picture):
    _, mask, summary = client.predict(
        handle_file(str(picture)), "unet-isbi", 0.9, api_name="/segment"
    )
    expected = UNet.from_pretrained("unet-isbi").segment(picture, threshold=0.9)
    assert np.array_equal(np.asarray(PIL.Image.open(mask)), expected.mask)
    assert summary["threshold"] == 0.9


def test_three_endpoints_are_on_the_api_page(client):
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert list(endpoints["named_endpoints"]) == ["/segment", "/objects", "/models", "/track"]
    assert not endpoints["unnamed_endpoints"]
    parameters = endpoints["named_endpoints"]["/segment"]["parameters"]
    assert [p["parameter_name"] for p in parameters][:2] == ["image", "model"]
    assert all(p["parameter_has_default"] for p in parameters[2:])


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_bad_files_end_in_one_sentence_through_the_endpoint(client, bad, tmp_path):
    path = bad.write(tmp_path)
    with pytest.raises(AppError) as error:
        client.predict(handle_file(str(path)), "unet-nuclei", api_name="/segment")
    message = str(error.value)
    assert bad.words in message
    assert "Traceback" not in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unet-isby",), "Shipped with this package: unet-isbi, unet-nuclei"),
        (("nobody/nothing",), "was not reached"),
        (("../../etc/passwd",), "is not a checkpoint"),
        (("",), "is not a checkpoint"),
        (("unet-isbi", 1.5), "threshold=1.5"),
        (("unet-isbi", None, 3), "has no page 3"),
        (("unet-isbi", None, 0, 7), "alpha=7"),
    ],
)
def test_bad_arguments_end_in_one_sentence_through_the_endpoint(client, picture, arguments, words):
    with pytest.raises(AppError) as error:
        client.predict(handle_file(str(picture)), *arguments, api_name="/segment")
    assert words in str(error.value)


def test_the_drawn_mask_is_exactly_the_mask_at_every_threshold():
    probability = np.random.default_rng(0).random((50, 60), np.float32)
    steps = np.float32([step / 100 for step in range(101)])
    probability.ravel()[:101] = steps  # the thresholds themselves: "exceeds" is strict
    probability.ravel()[101:202] = np.nextafter(steps, np.float32(2))
    levels = threshold_levels(probability)
    for step in range(101):
        assert np.array_equal(levels > step, probability > step / 100)


def test_large_images_are_thinned_out_for_the_eye_only(monkeypatch):
    monkeypatch.setattr("demo.viewer.component.MOST_PIXELS", 10_000)
    result = UNet(base_channels=2, depth=1, tile_size=512).segment(np.zeros((10, 5000), np.uint8))
    view = show_result(result, 0.5)
    assert (view["width"], view["height"], view["step"]) == (5000, 10, 3)


def test_downloads_are_named_after_the_image(picture, tmp_path):
    result = UNet(base_channels=2, depth=1).segment(picture)
    paths = write_result(result, tmp_path, Look())
    assert Path(paths["mask"]).name == "slice_1_mask.png"
    assert json.loads(Path(paths["summary"]).read_text())["size"] == [130, 90]


def test_a_visitor_cannot_load_folders_of_the_server(tmp_path, monkeypatch):
    for folder in ("secret/net", "net"):
        UNet(base_channels=2, depth=1).save_pretrained(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    for name in ("secret/net", str(tmp_path / "secret" / "net"), "./secret/net", "..", "net"):
        with pytest.raises(UNetError):
            load_model(name)


def test_the_folder_that_the_demo_was_started_with_may_be_asked_for(tmp_path, monkeypatch):
    folder = tmp_path / "net"
    UNet(base_channels=2, depth=1).save_pretrained(folder)
    monkeypatch.setenv("UNET_HF_LOCAL", str(folder))
    assert load_model(str(folder)).config["depth"] == 1
    assert str(folder) in Offer.of(os.environ).names()
    monkeypatch.setenv("SPACE_ID", "org/space")
    assert load_model(str(folder)).config["depth"] == 1
    with pytest.raises(UNetError):
        load_model(str(tmp_path))


@pytest.mark.parametrize(
    ("said", "on_the_page"),
    [
        (
            "a.tif has 2 channels. Pick one, e.g. channel=0, or use a checkpoint for 2 channels.",
            "a.tif has 2 channels. Choose one of its channels above the picture, or use a "
            "checkpoint for 2 channels.",
        ),
        (
            "t.png is not an image in a known format (its first bytes are 74 68). Export it.",
            "t.png is not an image in a known format. Export it.",
        ),
        (
            "Replace them, e.g. with np.nan_to_num(image, nan=0.0).",
            "Replace them by numbers.",
        ),
        ("Check the network (and HF_HUB_OFFLINE).", "Check the network."),
        (
            "threshold=7.0 is not a number from 0 to 1.",
            "The threshold 7.0 is not a number from 0 to 1.",
        ),
        ("its unit is not known: pass pixel_size", "its unit is not known: give the pixel size"),
    ],
)
def test_the_page_says_nothing_that_only_makes_sense_in_python(said: str, on_the_page: str):
    assert page_sentence(ConfigError(said)) == on_the_page
    assert plain_sentence(ConfigError(said)) == said  # programs are told as in Python


def test_an_unexpected_error_is_told_without_its_traceback(caplog):
    sentence = plain_sentence(ZeroDivisionError("division by zero"))
    assert "division" not in sentence
    assert "code" in sentence
    assert "ZeroDivisionError" in caplog.text  # the log has it all
    assert plain_sentence(ConfigError("As it stands.")) == "As it stands."
