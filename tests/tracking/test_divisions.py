"""How often cells divide: counted in true films, stored with a checkpoint, and gone by."""

import json
from pathlib import Path

import numpy as np
import pytest

from train.loop import train
from unet_hf import UNet
from unet_hf.data.film_truth import Divisions, divisions_of, read_track_lines
from unet_hf.data.sources import open_source
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.film.linking import settled_linking
from unet_hf.hashes import model_sha256
from unet_hf.hub.find import SHIPPED

from ..data.test_film_folders import write_film
from ..support.tiny_training import tiny

# Six frames: 1 divides into 2 and 3 after frame 2, 3 goes on after a gap as 4; 5 is alone.
LINES = "1 0 2 0\n2 3 5 1\n3 3 3 1\n4 5 5 3\n5 0 5 0\n"


def write_tracks(root: Path, name: str, lines: str = LINES) -> None:
    folder = root / f"{name}_GT" / "TRA"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "man_track.txt").write_text(lines)


def test_divisions_are_counted_by_cell_and_frame_that_has_a_next_one(tmp_path):
    write_tracks(tmp_path, "01")
    lines = read_track_lines(tmp_path / "01_GT" / "TRA" / "man_track.txt")
    assert lines.tolist()[1] == [2, 3, 5, 1]
    # Cells with a next frame: 1 in three frames, 2 in two, 3 in one, 4 in none, 5 in five.
    assert divisions_of(lines) == Divisions(1, 11)
    assert divisions_of(lines).rate == 0.0909
    assert (Divisions(1, 11) + Divisions(2, 9)).rate == 0.15
    assert divisions_of(np.zeros((0, 4), np.int64)) == Divisions(0, 0)


@pytest.mark.parametrize("line", ["1 0 2", "1 3 2 0", "0 0 2 0", "1 0 two 0"])
def test_lines_that_are_no_tracks_are_refused(tmp_path, line):
    write_tracks(tmp_path, "01", f"{line}\n")
    with pytest.raises(DatasetError, match="A line of it is four whole numbers"):
        read_track_lines(tmp_path / "01_GT" / "TRA" / "man_track.txt")


def test_films_of_the_training_say_how_often_their_cells_divide(tmp_path):
    for name in ("01", "02", "03"):
        write_film(tmp_path, name, [0, 4])
    write_tracks(tmp_path, "01")
    write_tracks(tmp_path, "03", "1 0 5 0\n")  # the film that validates
    source = open_source(str(tmp_path))
    assert source.divisions == {"train": 0.0909}
    said = "\n".join(source.findings)
    assert "train: 1 of 11 cells divide until the next frame: divisions 0.0909, which" in said
    assert "validation: 0 of 5 cells divide until the next frame: no rate is stored" in said
    write_tracks(tmp_path, "01", "none\n")  # its images and masks are as good as any
    source = open_source(str(tmp_path))
    assert source.divisions == {} and "how often cells divide is not known" in source.findings[-2]


def test_a_training_stores_what_its_films_say(tmp_path):
    write_film(tmp_path / "films", "01", [0, 1, 2, 4, 5])
    write_tracks(tmp_path / "films", "01")
    out = tmp_path / "out"
    train(tiny(tmp_path / "films", out, max_train_steps=1))
    assert json.loads((out / "config.json").read_text())["tracking"] == {"divisions": 0.0909}
    assert UNet.from_pretrained(out).config["tracking"] == {"divisions": 0.0909}


def test_what_the_checkpoint_says_is_gone_by_unless_something_is_given():
    linking, (note,) = settled_linking({"divisions": 0.05}, {"gaps": 1})
    assert linking == {"divisions": 0.05, "gaps": 1}
    assert "0.05 in a frame: as the checkpoint says" in note
    assert settled_linking({"divisions": 0.05}, {"divisions": 0}) == ({"divisions": 0}, ())
    linking, (note,) = settled_linking(None, {})
    assert linking == {} and "0.02 in a frame: the usual value" in note


@pytest.mark.parametrize(
    "tracking",
    [{"divisions": 2}, {"divisions": "often"}, {"gaps": 1}, {}, 0.02, {"divisions": True}],
)
def test_a_rate_that_is_none_is_refused(tracking):
    with pytest.raises(ConfigError, match="tracking"):
        UNet(base_channels=2, depth=1, tracking=tracking)


def test_a_checkpoint_without_a_rate_stays_as_it_is_to_the_byte(tmp_path):
    for folder in SHIPPED.iterdir():
        if (folder / "config.json").is_file():
            config = json.loads((folder / "config.json").read_text())
            written = json.dumps(UNet(**config).config, sort_keys=True, indent=2) + "\n"
            assert written == (folder / "config.json").read_text()
    model = UNet(base_channels=2, depth=1)
    assert "tracking" not in model.config
    before = model_sha256(model)
    model.config["tracking"] = {"divisions": 0.01}
    assert model_sha256(model) == before  # objects that were found are as good as before
    model.save_pretrained(tmp_path / "out")
    again = UNet.from_pretrained(tmp_path / "out")
    assert again.config["tracking"] == {"divisions": 0.01}
    other = UNet.from_pretrained(tmp_path / "out", num_classes=3)
    assert "tracking" not in other.config  # another task
