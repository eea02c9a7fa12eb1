"""The time between two frames: read from files, given, and used for speeds and times."""

import json
import re

import numpy as np
import pytest
import tifffile

from unet_hf import UNet
from unet_hf.cli.main import main
from unet_hf.errors import ConfigError
from unet_hf.film.frames import open_film
from unet_hf.film.interval import read_interval, stored_interval
from unet_hf.film.run import follow
from unet_hf.images.pixel_size import PixelSize

FRAMES = 4


def walker() -> np.ndarray:
    """(4, 32, 48) uint8: a cell goes right, 3 pixels a frame."""
    film = np.zeros((FRAMES, 32, 48), np.uint8)
    for t in range(FRAMES):
        film[t, 5:13, 4 + 3 * t : 12 + 3 * t] = 200
    return film


def followed(source, **options):
    film = open_film(source)
    return follow(
        film, lambda index: (image := film.read(index), image.pixels[..., 0] // 200), **options
    )


def imagej(path, **metadata):
    tifffile.imwrite(path, walker(), imagej=True, metadata={"axes": "TYX", **metadata})
    return path


def ome(path, **metadata):
    tifffile.imwrite(path, walker(), metadata={"axes": "TYX", **metadata})
    return path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("300s", 300), ("5min", 300), ("0.5 h", 1800), (300, 300), ("250 ms", 0.25),
     ("2 Minutes", 120), (0.04, 0.04), ("1e-3s", 0.001), ("10 µs", 1e-5)],
)  # fmt: skip
def test_a_time_is_a_number_with_its_unit(text, seconds):
    assert read_interval(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5m", "min", "-3s", "0s", "1.2.3s", "five min", "nan", "1e999", 0, -1, True]
)
def test_what_is_no_time_is_refused_in_words(text):
    with pytest.raises(ConfigError, match=r"is not a length of time.*5min"):
        read_interval(text)


@pytest.mark.parametrize(
    ("write", "metadata", "seconds"),
    [
        (imagej, {"finterval": 300.0}, 300),
        (imagej, {"finterval": 5.0, "tunit": "min"}, 300),
        (imagej, {"fps": 7.0}, None),  # how fast it is played
        (imagej, {}, None),
        (ome, {"TimeIncrement": 5.0, "TimeIncrementUnit": "min"}, 300),
        (ome, {"TimeIncrement": 0.5}, 0.5),
        (ome, {"TimeIncrement": 10.0, "Plane": {"DeltaT": [0.0, 10.2, 20.1, 30.3]}}, 10),
        (ome, {"Plane": {"DeltaT": [0.0, 10.0, 20.0, 30.0]}}, None),
    ],
)
def test_files_say_how_much_time_is_between_frames(tmp_path, write, metadata, seconds):
    found, notes = stored_interval(write(tmp_path / "film.ome.tif", **metadata))
    assert found == (None if seconds is None else pytest.approx(seconds))
    assert [("as the file says" in note) for note in notes] == ([] if seconds is None else [True])


@pytest.mark.parametrize(
    ("write", "metadata", "words"),
    [
        (
            imagej,
            {"finterval": 5.0, "tunit": "fortnight"},
            "5.0 fortnight .ImageJ.* not understood",
        ),
        (imagej, {"finterval": -1.0}, "-1.0 sec .ImageJ., is not understood"),
        (ome, {"TimeIncrement": 0.0}, "0.0 s .OME., is not understood"),
        (
            ome,
            {"TimeIncrement": 60.0, "Plane": {"DeltaT": [0.0, 300.0, 600.0, 900.0]}},
            r"contradicts itself .*60 s \(OME\), 5 min \(times of the planes\)",
        ),
    ],
)
def test_what_cannot_be_read_or_contradicts_itself_is_told_and_not_used(
    tmp_path, write, metadata, words
):
    tracked = followed(write(tmp_path / "film.ome.tif", **metadata))
    assert tracked.frame_interval is None and "speed_px" in tracked.summary()
    assert any(re.search(words, note) for note in tracked.notes)
    given = followed(tmp_path / "film.ome.tif", frame_interval=60)
    assert given.frame_interval == 60 and not any("time between" in one for one in given.notes)


def test_zarr_says_it_by_its_scale(tmp_path):
    import zarr

    group = zarr.open_group(str(tmp_path / "film.zarr"), mode="w", zarr_format=2)
    array = group.create_array("0", shape=walker().shape, dtype="uint8")
    array[:] = walker()
    axes = [{"name": "t", "type": "time", "unit": "minute"}, {"name": "y"}, {"name": "x"}]
    scale = [{"type": "scale", "scale": [2.5, 1, 1]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": levels, "version": "0.4"}]
    assert stored_interval(tmp_path / "film.zarr")[0] == 150
    del axes[0]["unit"]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": levels, "version": "0.4"}]
    found, (note,) = stored_interval(tmp_path / "film.zarr")
    assert found is None and "not understood" in note


def test_speeds_are_for_each_minute_and_times_in_minutes(tmp_path):
    path = imagej(tmp_path / "film.tif", finterval=30.0)
    tracked = followed(path)
    rows = tracked.summary()
    assert rows["speed_px_per_min"] == pytest.approx([6])  # 3 pixels in half a minute
    assert rows["first_min"].tolist() == [0] and rows["last_min"].tolist() == [1.5]
    assert "speed_px" not in rows
    assert tracked.table()["time_min"].tolist() == [0, 0.5, 1, 1.5]
    by_frame = followed(walker())
    assert by_frame.summary()["speed_px"] == pytest.approx([3])
    assert "time_min" not in by_frame.table()
    given = followed(path, frame_interval=60, pixel_size=PixelSize.of("0.5 um"))
    assert given.summary()["speed_um_per_min"] == pytest.approx([1.5])


def test_the_command_line_takes_it_and_a_run_goes_on_with_another(tmp_path, capsys):
    model = tmp_path / "model"
    UNet(num_classes=2, base_channels=2, depth=1).save_pretrained(model)
    film, out = imagej(tmp_path / "film.tif"), tmp_path / "out"
    asked = ["track", str(film), "--model", str(model), "--output", str(out), "--device", "cpu"]
    assert main(asked) == 0
    assert "speeds are for each frame" in capsys.readouterr().out
    assert json.loads((out / "film.json").read_text())["frame_interval"] is None
    assert main([*asked, "--frame_interval", "5min"]) == 0  # objects do not depend on it
    assert "speeds are for each frame" not in capsys.readouterr().out
    assert json.loads((out / "film.json").read_text())["frame_interval"] == 300
    assert "speed_px_per_min" in (out / "tracks.csv").read_text()
    with pytest.raises(SystemExit):
        main([*asked, "--frame-interval", "5 moons"])
    assert "not a length of time" in capsys.readouterr().err
