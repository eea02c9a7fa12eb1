"""`UNet.track` and `python -m unet_hf track`: from a film to its tracks."""

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

import unet_hf.film.run as film_run
from unet_hf import Segmentation, UNet, read_image
from unet_hf.cli.main import main
from unet_hf.errors import ConfigError, ImageError, ShapeError, UnsupportedLayoutError
from unet_hf.film.frames import open_film
from unet_hf.predict.decision import decide

from ..support.drawn_film import drawn_frames, stack


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up on the way."""


def interrupt(*_) -> None:
    """As Ctrl-C."""
    raise KeyboardInterrupt


@pytest.fixture
def model(monkeypatch) -> UNet:
    """Takes what is bright for an object."""
    segmented = []

    def segment(model: UNet, source, progress=None, **options) -> Segmentation:
        image = read_image(source)
        segmented.append(image.page)
        if progress:
            progress(1, 1)
        bright = (image.pixels[..., 0] > 100).astype(np.float32)
        probabilities = np.stack([1 - bright, bright])
        return Segmentation(
            mask=decide(probabilities, 0.5),
            probabilities=probabilities,
            id2label=model.id2label,
            colors=list(model.config["colors"]),
            threshold=0.5,
            image=image,
        )

    monkeypatch.setattr(film_run, "segment", segment)
    one = UNet(num_classes=2, base_channels=2, depth=1)
    one.segmented = segmented
    return one


@pytest.fixture
def frames() -> np.ndarray:
    return drawn_frames()


def test_cells_are_followed_and_a_division_is_found(model, frames, tmp_path):
    path = stack(tmp_path / "film.tif", frames, "TYX")
    tracked = model.track(path)
    tracks = tracked.tracks
    assert len(tracks) == 4 and tracks.divisions == 1
    mother = tracks.relabelled(0)[30, 25]
    daughters = {tracks.relabelled(5)[30, 20], tracks.relabelled(5)[30, 34]}
    assert {int(tracks.parent[one - 1]) for one in daughters} == {int(mother)}
    assert len({tracks.relabelled(t)[8, 8 + 3 * t] for t in range(6)}) == 1
    rows = tracked.summary()
    walker = int(tracks.relabelled(0)[8, 8]) - 1
    assert rows["path_px"][walker] == pytest.approx(15)
    assert rows["displacement_px"][walker] == pytest.approx(15)
    assert rows["speed_px"][walker] == pytest.approx(3)
    assert rows["area_px"][walker] == 64


def test_intensities_are_those_of_each_object_in_each_frame(model, frames):
    frames[frames > 0] = 150
    frames[4, 5:13, 16:24] = 210
    tracked = model.track(frames)
    table, walker = tracked.table(), int(tracked.tracks.relabelled(0)[8, 8])
    assert table["intensity"][table["track_id"] == walker].tolist() == [150] * 4 + [210, 150]
    assert tracked.summary()["intensity"][walker - 1] == pytest.approx(160)
    colour = np.stack([frames, frames // 2, frames // 3], axis=-1)
    table = model.track(colour, axes="TYXS").table()
    assert (table["intensity_1"] * 2 == table["intensity_0"]).all()


def test_a_film_is_a_stack_an_array_a_list_or_a_folder(model, frames, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for t, frame in enumerate(frames):
        PIL.Image.fromarray(frame).save(folder / f"t{t + 7}.png")  # t7 ... t12
    expected = model.track(frames).tracks
    for film in (folder, list(frames), stack(tmp_path / "film.tif", frames, "TYX")):
        tracks = model.track(film).tracks
        for t in range(6):
            assert (tracks.relabelled(t) == expected.relabelled(t)).all()


def test_lengths_follow_in_the_unit_of_the_pixels(model, frames):
    tracked = model.track(frames, objects={"pixel_size": "0.5 um"})
    table = tracked.table()
    assert table["x_um"] == pytest.approx(table["x"] / 2)
    assert (
        list(table)[:4] == ["track_id", "t", "y", "x"] and "x_um" not in model.track(frames).table()
    )
    rows = tracked.summary()
    assert rows["path_um"] == pytest.approx(rows["path_px"] / 2)
    assert rows["area_um2"] == pytest.approx(rows["area_px"] / 4)


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_bytes(model, frames, tmp_path):
    path = stack(tmp_path / "film.tif", frames, "TYX")
    everything = ("tables", "masks", "lineage", "outlines", "overlay")
    model.track(path, output=tmp_path / "whole", only=everything)
    model.segmented.clear()

    def kill(done: int, count: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        model.track(path, output=tmp_path / "killed", only=everything, progress=kill)
    assert not (tmp_path / "killed" / "tracks").exists()
    model.track(path, output=tmp_path / "killed", only=everything)
    assert model.segmented == [0, 1, 2, 3, 4, 5]

    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(file.relative_to(folder)): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }

    assert files(tmp_path / "whole") == files(tmp_path / "killed")
    assert sorted(file.name for file in (tmp_path / "whole").iterdir()) == [
        "film.json", "lineage.svg", "objects", "objects.csv", "outlines", "overlay.webp", "tracks",
        "tracks.csv",
    ]  # fmt: skip


def test_a_film_that_is_stopped_keeps_its_frames_and_goes_on(model, frames, tmp_path):
    path = stack(tmp_path / "film.tif", frames, "TYX")
    whole = model.track(path, output=tmp_path / "whole")
    stopped = model.track(path, output=tmp_path / "stopped", progress=lambda done, _: done < 4)
    assert len(stopped.tracks.frames) == 4
    assert stopped.notes[0] == "stopped after 4 of 6 frames"
    masks = sorted(file.name for file in (tmp_path / "stopped" / "tracks").glob("mask*.tif"))
    assert masks == [f"mask{frame:03d}.tif" for frame in range(4)]
    model.segmented.clear()
    again = model.track(path, output=tmp_path / "stopped")
    assert model.segmented == [4, 5]
    assert again.notes == whole.notes
    for name in ("tracks.csv", "objects.csv", "tracks/res_track.txt"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()
    with pytest.raises(ConfigError, match="has 1 frames"):
        model.track(path, progress=lambda done, _: done < 1)


def test_results_of_another_film_or_of_other_options_are_not_mixed(model, frames, tmp_path):
    path = stack(tmp_path / "film.tif", frames, "TYX")
    model.track(path, output=tmp_path / "out")
    with pytest.raises(ConfigError, match="changed: threshold"):
        model.track(path, output=tmp_path / "out", threshold=0.7)
    other = stack(tmp_path / "other.tif", frames[::-1], "TYX")
    with pytest.raises(ConfigError, match="changed: film, the film's file"):
        model.track(other, output=tmp_path / "out")
    later = frames.copy()
    later[4:] = 0
    for film, other in ((frames, later), (list(frames), list(later))):
        out = tmp_path / type(film).__name__
        model.track(film, output=out)
        with pytest.raises(ConfigError, match="changed: the film's file"):
            model.track(other, output=out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        model.track(path, output=tmp_path / "full")
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    # How objects are linked changes no object: they are not found again.
    model.segmented.clear()
    tracked = model.track(path, output=tmp_path / "out", linking={"divisions": 0})
    assert model.segmented == [] and tracked.tracks.divisions == 0
    # What was written of another linking, and is not asked for now, goes.
    model.track(path, output=tmp_path / "out", only=["tables"])
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "film.json", "objects", "objects.csv", "tracks.csv",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="no output video"):
        model.track(path, output=tmp_path / "new", only=["video"])
    assert not (tmp_path / "new").exists()


def test_an_option_that_was_wrong_can_be_mended_in_the_same_folder(model, frames, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").write_bytes(b"")  # hidden files are nobody's results
    with pytest.raises(ConfigError, match="min_size"):
        model.track(frames, output=out, objects={"min_size": -1})
    assert len(model.track(frames, output=out, objects={"min_size": 1}).tracks) == 4


def test_whoever_stops_the_command_is_told_that_it_goes_on(model, frames, tmp_path, capsys):
    UNet(num_classes=2, base_channels=2, depth=1).save_pretrained(tmp_path / "model")
    path = stack(tmp_path / "film.tif", frames, "TYX")
    command = ["track", str(path), "--model", str(tmp_path / "model"), "--output"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film_run, "mean_intensities", interrupt)
        assert main([*command, str(tmp_path / "out")]) == 130
    assert "The same command goes on" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "out")]) == 0
    assert model.segmented == [0, 1, 2, 3, 4, 5]


def test_depth_is_never_taken_for_time(frames, tmp_path):
    path = stack(tmp_path / "depth.tif", frames, "ZYX")
    with pytest.raises(UnsupportedLayoutError, match=r"Z is depth.*--axes TYX"):
        open_film(path)
    assert open_film(path, axes="TYX").count == 6
    both = stack(tmp_path / "both.tif", frames.reshape(3, 2, 48, 64), "TZYX")
    with pytest.raises(UnsupportedLayoutError, match="with T and Z beside each other"):
        open_film(both)
    tifffile.imwrite(tmp_path / "pages.tif", frames, photometric="minisblack", metadata=None)
    assert "taken as frames in time" in open_film(tmp_path / "pages.tif").notes[0]


def test_what_is_no_film_is_refused_in_words(model, frames, tmp_path):
    PIL.Image.fromarray(frames[0]).save(tmp_path / "one.png")
    for film in (tmp_path / "one.png", frames[:1], [frames[0]]):
        with pytest.raises(ConfigError, match="A film has two frames or more"):
            model.track(film)
    with pytest.raises(UnsupportedLayoutError, match="axes='TYXS'"):
        model.track(np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(ShapeError, match=r"Frame 2 .* has 48 x 60 pixels, and the first 48 x 64"):
        model.track([frames[0], frames[1][:, :60]])


def test_empty_frames_are_frames(model, frames):
    frames[1] = 0
    tracks = model.track(frames).tracks
    assert len(tracks.frames[1].ids) == 0
    assert tracks.relabelled(0)[30, 25] == tracks.relabelled(2)[30, 25] > 0  # over the gap
    nothing = model.track(np.zeros_like(frames))
    assert len(nothing.tracks) == 0 and "no object was found" in nothing.notes[0]


def test_the_command_writes_tables_and_masks(model, frames, tmp_path, capsys):
    UNet(num_classes=2, base_channels=2, depth=1).save_pretrained(tmp_path / "model")
    path = stack(tmp_path / "film.tif", frames, "TYX", resolution=(4, 4))
    out = tmp_path / "out"
    command = ["track", str(path), "--model", str(tmp_path / "model"), "--output", str(out)]
    assert main([*command, "--min_size", "10", "--gaps", "1"]) == 0
    assert "6 frames, 4 tracks, 1 divisions" in capsys.readouterr().out
    with (out / "tracks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and float(rows[0]["path_px"]) > 0
    with (out / "objects.csv").open() as file:
        assert next(csv.reader(file))[:4] == ["track_id", "t", "y", "x"]
    masks = sorted((out / "tracks").glob("mask*.tif"))
    assert len(masks) == 6 and tifffile.imread(masks[0]).shape == (48, 64)
    assert json.loads((out / "film.json").read_text())["objects"] == {"min_size": 10}
    assert main([*command, "--gaps", "-1"]) == 1
    assert "What has changed" in capsys.readouterr().err


def test_a_film_is_followed_as_its_checkpoint_says_and_the_notes_say_so(model, frames):
    assert "0.02 in a frame: the usual value" in model.track(frames).notes[-1]
    model.config["tracking"] = {"divisions": 0.0}
    tracked = model.track(frames)
    assert tracked.tracks.divisions == 0
    assert "0 in a frame: as the checkpoint says" in tracked.notes[-1]
    tracked = model.track(frames, linking={"divisions": 0.02})
    assert tracked.tracks.divisions == 1 and tracked.notes == ()


@pytest.mark.parametrize("is_ome", [True, False])
def test_a_film_in_zarr_is_the_same_as_its_frames(model, frames, tmp_path, is_ome):
    import zarr

    path = tmp_path / "film.zarr"
    if is_ome:
        group = zarr.open_group(str(path), mode="w")
        group.create_array("0", shape=frames.shape, dtype=frames.dtype)[:] = frames
        axes = [{"name": "t", "type": "time"}]
        axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
        scale = {"type": "scale", "scale": [1, 0.5, 0.5]}
        dataset = {"path": "0", "coordinateTransformations": [scale]}
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [dataset]}]
    else:
        zarr.open_array(str(path), mode="w", shape=frames.shape, dtype=frames.dtype)[:] = frames
    found = model.track(path, axes=None if is_ome else "TYX", output=tmp_path / "out")
    expected = model.track(frames)
    assert found.tracks.frames[-1].tracks.tolist() == expected.tracks.frames[-1].tracks.tolist()
    same = ("track_id", "t", "y", "x", "area", "intensity")
    assert all(np.array_equal(found.table()[name], expected.table()[name]) for name in same)
    assert ("area_um2" in found.summary()) == is_ome
    with pytest.raises(ImageError, match="axes"):
        model.track(path, axes="ZT" if is_ome else None)
