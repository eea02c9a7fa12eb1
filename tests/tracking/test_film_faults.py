"""What `UNet.track` says of films and options that are not usable."""

import errno
import os

import numpy as np
import pytest

from unet_hf import UNet, files
from unet_hf.errors import ConfigError, NonFiniteImageError
from unet_hf.film.outputs import checked_film_outputs
from unet_hf.tracking import challenge

FILM = np.zeros((3, 32, 32), np.float32)


@pytest.fixture
def model() -> UNet:
    return UNet(num_classes=2, base_channels=2, depth=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"linking": {"division": 0}}, "linking has no option division; there are divisions,"),
        ({"linking": {"progress": print}}, "linking has no option progress"),
        ({"linking": 7}, "linking=7 is not a mapping"),
        ({"objects": {"minsize": 3}}, "objects has no option minsize; there are classes,"),
        ({"objects": [3]}, "objects=.3. is not a mapping"),
    ],
)
def test_an_option_that_there_is_not_is_named_before_anything_is_done(
    model, tmp_path, options, words
):
    with pytest.raises(ConfigError, match=words):
        model.track(FILM, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("value", "words"), [(np.nan, "holds no data"), (np.inf, "infinite")])
def test_a_frame_that_is_not_usable_is_named(model, value, words):
    film = FILM.copy()
    film[1] = value
    with pytest.raises(NonFiniteImageError, match=f"^Frame 2: .*{words}.*Mend this frame"):
        model.track(film)


def test_a_disk_that_is_full_is_told_in_words_and_the_run_goes_on(model, tmp_path, monkeypatch):
    write, frames = challenge.write_atomically, []

    def full(path, content):
        if len(frames) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        frames.append(path)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(challenge, "write_atomically", full)
        with pytest.raises(ConfigError, match=r"the disk is full\. Free some space"):
            model.track(FILM, output=tmp_path)
    assert [path.name for path in frames] == ["frame000.tif", "frame001.tif"]
    kept = [path.stat().st_mtime_ns for path in frames]
    model.track(FILM, output=tmp_path)
    assert [path.stat().st_mtime_ns for path in frames] == kept


def test_saving_on_a_disk_that_is_full_is_told_and_leaves_no_half_of_a_file(
    model, tmp_path, monkeypatch
):
    tracked = model.track(FILM)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(files, "flush_to_disk", full)
        with pytest.raises(ConfigError, match=r"the disk is full\. Free some space"):
            tracked.save(tmp_path / "out", only=["masks", "lineage"])
    assert not list((tmp_path / "out").rglob("*"))
    tracked.save(tmp_path / "out", only="lineage")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="cannot be made"):
        tracked.save(tmp_path / "file")


@pytest.mark.parametrize("only", [7, [7], [["tables"]], b"tables"])
def test_outputs_that_are_no_names_are_refused_in_words(only):
    with pytest.raises(ConfigError, match=r"only=.* names no outputs of a film\. Expected"):
        checked_film_outputs(only)


def test_kept_objects_that_are_damaged_are_named(model, tmp_path):
    model.track(FILM, output=tmp_path)
    damaged = tmp_path / "objects" / "frame001.tif"
    damaged.write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"frame001.tif is damaged .*Delete it"):
        model.track(FILM, output=tmp_path)
    damaged.unlink()
    model.track(FILM, output=tmp_path)


def test_what_a_killed_run_had_not_finished_is_removed(model, tmp_path):
    model.track(FILM, output=tmp_path)
    for left in (tmp_path / f".unet_hf-{'0' * 32}", tmp_path / "objects" / f".unet_hf-{'a' * 32}"):
        left.mkdir()
    left.rmdir()
    left.with_suffix(".tif").write_bytes(b"half")
    model.track(FILM, output=tmp_path)
    assert not list(tmp_path.rglob(".unet_hf-*"))
