"""`python -m unet_hf evaluate --tracks`: films in the challenge's layout, and their scores."""

import builtins
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from unet_hf import UNet
from unet_hf.cli.main import main
from unet_hf.data.true_films import find_true_films
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.evaluation.tracks import evaluate_tracks
from unet_hf.tracking import link

LINES = "1 0 3 0\n2 0 1 0\n3 2 3 2\n4 2 3 2\n"


def true_labels() -> np.ndarray:
    """(4, 48, 64): 1 goes right; 2 stays, and divides into 3 and 4 in frame 2."""
    film = np.zeros((4, 48, 64), np.uint16)
    for t in range(4):
        film[t, 5:13, 4 + 3 * t : 12 + 3 * t] = 1
        if t < 2:
            film[t, 28:36, 20:36] = 2
        else:
            film[t, 28:36, 18:26], film[t, 28:36, 30:38] = 3, 4
    return film


def write_film(root: Path, name: str, found: np.ndarray, segmented: tuple[int, ...]) -> None:
    """The frames are what is found in them."""
    truth = root / f"{name}_GT"
    for folder in (root / name, truth / "TRA", truth / "SEG"):
        folder.mkdir(parents=True)
    for t, labels in enumerate(true_labels()):
        tifffile.imwrite(root / name / f"t{t:03d}.tif", found[t])
        tifffile.imwrite(truth / "TRA" / f"man_track{t:03d}.tif", labels)
        if t in segmented:
            tifffile.imwrite(truth / "SEG" / f"man_seg{t:03d}.tif", labels)
    (truth / "TRA" / "man_track.txt").write_text(LINES)


def track(model, frames, *, linking=None, progress=None, **_) -> SimpleNamespace:
    """Links frames that are labels already."""
    labels = np.stack([tifffile.imread(frame) for frame in frames])
    for t in range(len(labels)):
        progress(t + 1, len(labels))
    return SimpleNamespace(tracks=link(labels, **(linking or {})), notes=("as it was found",))


@pytest.fixture
def films(tmp_path) -> Path:
    """01 is found as it is. In 02, the last frame lacks cell 1 and a quarter of cell 3."""
    root = tmp_path / "films"
    write_film(root, "01", true_labels(), (0, 1, 2, 3))
    found = true_labels()
    found[3][found[3] == 1] = 0
    found[3, 28:36, 18:20] = 0
    write_film(root, "02", found, (3,))
    return root


def test_scores_are_those_of_the_challenge(films):
    done = []
    model = SimpleNamespace(track=lambda frames, **options: track(None, frames, **options))
    record = evaluate_tracks(
        model, find_true_films(films), progress=lambda *count: done.append(count)
    )
    first, second = record["films"]
    assert done == [(number, 8) for number in range(1, 9)]
    for name in ("SEG", "DET", "TRA", "LNK", "division_f1"):
        assert first[name] == 1
    assert first["divisions"] == {"right": 1, "invented": 0, "missed": 0}
    assert (first["objects"], first["tracks"], first["frames_with_masks"]) == (10, 4, 4)
    # Of 10 markers, one is missed, which costs 10 each; of 8 edges one, which costs 1.5 each.
    assert second["DET"] == pytest.approx(1 - 10 / 100)
    assert second["LNK"] == pytest.approx(1 - 1.5 / 12)
    assert second["TRA"] == pytest.approx(1 - 11.5 / 112)
    # The only frame with masks: one is not found, one by three quarters, one as it is.
    assert second["SEG"] == pytest.approx((0 + 0.75 + 1) / 3)
    assert (second["frames_with_masks"], second["objects"]) == (1, 9)
    assert record["notes"] == ["as it was found"]
    assert record["scored_by"] == "py-ctcmetrics 1.3.3"


def test_without_divisions_none_is_found_and_one_is_missed(films):
    model = SimpleNamespace(track=lambda frames, **options: track(None, frames, **options))
    record = evaluate_tracks(model, find_true_films(films)[:1], linking={"divisions": 0})
    assert record["films"][0]["divisions"] == {"right": 0, "invented": 0, "missed": 1}
    assert record["films"][0]["division_f1"] == 0


def test_the_command_prints_a_row_a_film_and_writes_json(films, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(UNet, "track", track)
    UNet(num_classes=2, base_channels=2, depth=1).save_pretrained(tmp_path / "model")
    command = ["evaluate", "--tracks", "--model", str(tmp_path / "model")]
    command += ["--dataset_name", str(films), "--output", str(tmp_path / "scores.json")]
    assert main(command) == 0
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines()]
    assert rows[1] == ["01", "4", "10", *["1.0000"] * 5, "1,", "0,", "0"]
    assert rows[2][:7] == ["02", "4", "9", "0.5833", "0.9000", "0.8973", "0.8750"]
    assert "SEG of film 02 is of 1 of its 4 frames" in said
    assert "note: as it was found" in said and "trained on" not in said
    record = json.loads((tmp_path / "scores.json").read_text())
    assert [row["film"] for row in record["films"]] == ["01", "02"]
    assert record["films"][1]["SEG"] == pytest.approx(1.75 / 3)
    assert record["dataset"] == {"name": "films"} and record["precision"] == "float32"


@pytest.mark.parametrize("wrong", [["--tta"], ["--update_card"]])
def test_what_films_do_not_have_is_refused(films, wrong, capsys):
    command = ["evaluate", "--tracks", "--model", "unet-nuclei", "--dataset_name", str(films)]
    assert main([*command, *wrong]) == 1
    assert f"{wrong[0]} is not for films" in capsys.readouterr().err
    assert main(["evaluate", "--model", "unet-nuclei", "--divisions", "0.1"]) == 1
    assert "--divisions is for films" in capsys.readouterr().err
    assert main(["evaluate", "--model", "unet-nuclei", "--tracks"]) == 1
    assert "Name the folder of the films" in capsys.readouterr().err


def test_without_the_package_that_scores_the_error_says_how_to_get_it(films, monkeypatch):
    usual = builtins.__import__

    def missing(name: str, *rest, **more):
        if name.startswith("ctc_metrics"):
            raise ModuleNotFoundError("No module named 'ctc_metrics'", name="ctc_metrics")
        return usual(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"pip install py-ctcmetrics==1\.3\.3"):
        evaluate_tracks(SimpleNamespace(), find_true_films(films))


def test_films_whose_truth_does_not_fit_are_refused(films, tmp_path):
    assert [film.split for film in find_true_films(films)] == ["train", "validation"]
    (films / "02" / "t001.tif").rename(films / "02" / "t009.tif")
    with pytest.raises(DatasetError, match=r"02 has 4 frames.*missing: t001, t004"):
        find_true_films(films)
    (films / "02" / "t009.tif").unlink()
    (films / "02" / "t003.tif").rename(films / "02" / "t001.tif")
    with pytest.raises(DatasetError, match=r"has 4 files man_track000.* has 3 frames"):
        find_true_films(films)
    for file in (films / "02_GT" / "TRA").iterdir():
        file.unlink()
    assert [film.name for film in find_true_films(films)] == ["01"]
    (films / "01_GT" / "SEG" / "man_seg003.tif").rename(films / "01_GT" / "SEG" / "man_seg004.tif")
    with pytest.raises(DatasetError, match="has man_seg004, which is the mask of no frame"):
        find_true_films(films)
    with pytest.raises(DatasetError, match="no films with tracks"):
        find_true_films(tmp_path)
    with pytest.raises(DatasetError, match="There is no folder"):
        find_true_films(tmp_path / "nowhere")


def test_a_film_in_which_nothing_is_found_has_scores(films):
    empty = np.zeros_like(true_labels())
    model = SimpleNamespace(track=lambda frames, **_: SimpleNamespace(tracks=link(empty), notes=()))
    (row,) = evaluate_tracks(model, find_true_films(films)[:1])["films"]
    assert (row["SEG"], row["DET"], row["TRA"], row["LNK"], row["tracks"]) == (0, 0, 0, 0, 0)
    assert row["division_f1"] == 0 and row["divisions"]["missed"] == 1
