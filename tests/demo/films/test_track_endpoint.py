"""`/track`, through the real client."""

import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demo.synthetic import film
from unet_hf import UNet

FRAMES = 3


@pytest.fixture(scope="module")
def client(demo_url: str) -> Client:
    return Client(demo_url, verbose=False)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return film("fluorescence", frames=FRAMES, size=96, cells=6, seed=3).frames


@pytest.fixture(scope="module")
def stack(tmp_path_factory, frames: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("film") / "nuclei.tif"
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    return path


def ask(client: Client, film: Path, *arguments: object, **named: object) -> tuple:
    return client.predict(handle_file(str(film)), *arguments, api_name="/track", **named)


def test_tracks_are_byte_for_byte_what_python_saves(client, stack, tmp_path):
    objects, tracks, everything, summary = ask(client, stack, "unet-nuclei", divisions=0.05)
    expected = UNet.from_pretrained("unet-nuclei").track(stack, linking={"divisions": 0.05})
    saved = expected.save(tmp_path)
    assert Path(objects).read_bytes() == (saved / "objects.csv").read_bytes()
    assert Path(tracks).read_bytes() == (saved / "tracks.csv").read_bytes()
    with zipfile.ZipFile(everything) as packed:
        for name in ("objects.csv", "tracks.csv", "tracks/res_track.txt", "tracks/mask002.tif"):
            assert packed.read(name) == (saved / name).read_bytes()
    assert len(expected.tracks) > 2
    assert summary == {
        "film": "nuclei.tif",
        "frames": FRAMES,
        "tracks": len(expected.tracks),
        "divisions": expected.tracks.divisions,
        "pixel_size": None,
        "notes": [],
    }


def test_a_zip_of_frames_is_a_film(client, frames, stack, tmp_path):
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as packed:
        for number, frame in enumerate(frames):
            PIL.Image.fromarray(frame).save(tmp_path / "frame.png")
            packed.write(tmp_path / "frame.png", f"t{number + 9}.png")
    zipped, stacked = (
        ask(client, film, "unet-nuclei") for film in (tmp_path / "frames.zip", stack)
    )
    assert Path(zipped[0]).read_bytes() == Path(stacked[0]).read_bytes()


def test_depth_is_time_where_the_axes_say_so(client, frames, tmp_path):
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(AppError, match="Z is depth"):
        ask(client, path, "unet-nuclei")
    *_, summary = ask(client, path, "unet-nuclei", axes="TYX", threshold=0.6)
    assert summary["frames"] == FRAMES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"divisions": 2}, "divisions=2"),
        ({"threshold": 7}, "threshold=7"),
        ({"channel": 5}, "channel"),
        ({"axes": "magic"}, "axes"),
        ({"model": "unet-isby"}, "Shipped with this package"),
    ],
)
def test_bad_arguments_end_in_one_sentence(client, stack, options, words):
    with pytest.raises(AppError) as error:
        ask(client, stack, **{"model": "unet-nuclei"} | options)
    assert words in str(error.value)
    assert "Traceback" not in str(error.value)
    assert "went wrong" not in str(error.value)


def test_one_picture_is_no_film(client, tmp_path):
    PIL.Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "one.png")
    with pytest.raises(AppError, match="A film has two frames or more"):
        ask(client, tmp_path / "one.png", "unet-nuclei")


def test_the_endpoint_says_what_it_takes(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/track"]
    names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
    assert names == ["film", "model", "threshold", "axes", "channel", "divisions"]
    assert "follows its objects through time" in endpoint["description"]
