"""`/objects` and `/models`, through the real client."""

import json
from pathlib import Path

import pytest
import tifffile
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demo.synthetic import fluorescence_nuclei
from unet_hf import UNet


@pytest.fixture(scope="module")
def client(demo_url: str) -> Client:
    return Client(demo_url, verbose=False)


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "nuclei 1.tif"
    tifffile.imwrite(
        path,
        fluorescence_nuclei(128, 9, seed=3).image,
        imagej=True,
        resolution=(4, 4),
        metadata={"unit": "um"},
    )
    return path


def ask(client: Client, picture: Path, *arguments: object, **named: object) -> tuple:
    return client.predict(handle_file(str(picture)), *arguments, api_name="/objects", **named)


def test_objects_are_byte_for_byte_what_python_saves(client, picture, tmp_path):
    table, instances, outlines, summary = ask(client, picture, "unet-nuclei")
    result = UNet.from_pretrained("unet-nuclei").segment(picture)
    saved = result.save(tmp_path, only=["objects", "instances", "outlines"])
    assert Path(table).read_bytes() == saved["objects"].read_bytes()
    assert Path(instances).read_bytes() == saved["instances"].read_bytes()
    assert Path(outlines).read_bytes() == saved["outlines"].read_bytes()
    assert summary == json.loads(json.dumps(result.objects().summary()))
    assert summary["count"] > 3
    assert summary["area_unit"] == "µm²"  # as the file says
    assert Path(table).name == "nuclei_1_objects.csv"


def test_objects_can_be_chosen(client, picture):
    options = {
        "threshold": 0.5,
        "classes": "0, 1",
        "method": "watershed",
        "min_size": 20,
        "exclude_border": True,
        "pixel_size": "2 nm",
    }
    table, instances, _, summary = ask(client, picture, "unet-nuclei", **options)
    result = UNet.from_pretrained("unet-nuclei").segment(picture, threshold=0.5)
    del options["threshold"]
    expected = result.objects(**options | {"classes": ["0", 1]})
    assert Path(table).read_text("utf-8") == expected.csv()
    assert (tifffile.imread(instances) == expected.labels).all()
    assert summary["method"] == "watershed"
    assert summary["pixel_size"] == "2 nm"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": "nerve"}, "There is no class 'nerve'"),
        ({"min_size": -2}, "min_size=-2"),
        ({"pixel_size": "wide"}, "is not a size with its unit"),
        ({"method": "magic"}, "magic"),
        ({"model": "unet-isby"}, "Shipped with this package"),
    ],
)
def test_bad_arguments_end_in_one_sentence(client, picture, options, words):
    with pytest.raises(AppError) as error:
        ask(client, picture, **{"model": "unet-nuclei"} | options)
    assert words in str(error.value)
    assert "Traceback" not in str(error.value)


def test_models_lists_what_can_be_asked_for(client):
    listed = client.predict(api_name="/models")
    assert [model["name"] for model in listed] == [
        "unet-isbi",
        "unet-nuclei",
        "unet-phase",
        "unet-superalloy",
    ]
    for model in listed:
        assert model["classes"] == UNet.from_pretrained(model["name"]).config["id2label"]
        assert model["channels"]
        assert model["licence"]
        assert model["scores"]["mean IoU"] > 0.5
    (one,) = client.predict("unet-isbi", api_name="/models")
    assert one == listed[0]


def test_models_refuses_what_is_not_offered(client):
    with pytest.raises(AppError, match="is not a checkpoint"):
        client.predict("../../etc", api_name="/models")


def test_each_endpoint_says_what_it_takes(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    parameters = {p["parameter_name"]: p for p in endpoints["/objects"]["parameters"]}
    assert list(parameters) == [
        "image", "model", "threshold", "classes", "method", "min_size", "exclude_border",
        "pixel_size", "page", "channel", "seed",
    ]  # fmt: skip
    assert parameters["method"]["type"]["enum"] == ["auto", "components", "watershed", "learned"]
    assert [name for name, p in parameters.items() if not p["parameter_has_default"]] == [
        "image", "model",
    ]  # fmt: skip
    assert "counts and measures" in endpoints["/objects"]["description"]
    assert "checkpoints" in endpoints["/models"]["description"]
