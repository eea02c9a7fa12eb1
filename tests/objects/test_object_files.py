"""Objects as files: from Python, from the command line, and in one zip that can be made again."""

import csv
import json
import os
import re
import shlex
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.batch.options import BatchOptions
from unet_hf.classes import chosen_classes, join_names, split_names
from unet_hf.cli.main import main
from unet_hf.errors import ConfigError
from unet_hf.predict.bundle import REPRODUCTION_NAME, Reproduction, write_bundle
from unet_hf.predict.outputs import DEFAULT_OUTPUTS, OBJECT_OUTPUTS, OUTPUTS
from unet_hf.predict.overlay import Look

from ..project.test_command_line import status_of
from ..support.drawn import drawn


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """(40, 50) bool, several objects."""
    noise = np.random.default_rng(0).random((8, 10)) < 0.4
    return np.kron(noise, np.ones((5, 5), bool))


@pytest.fixture
def model(tmp_path, gray_image) -> Path:
    """A small network whose masks show both classes."""
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).eval()
    median = float(np.median(network.segment(gray_image).probabilities[1]))
    network.config["threshold"] = round(median, 4)
    network.save_pretrained(tmp_path / "network")
    return tmp_path / "network"


@pytest.fixture
def picture(tmp_path, gray_image) -> Path:
    PIL.Image.fromarray(gray_image).save(tmp_path / "my slice.png")
    return tmp_path / "my slice.png"


def test_nothing_of_objects_is_written_unless_it_is_asked_for(cells, tmp_path):
    assert sorted(drawn(cells).save(tmp_path)) == sorted(DEFAULT_OUTPUTS)
    assert len(list(tmp_path.iterdir())) == len(DEFAULT_OUTPUTS)


def test_every_output_is_of_the_images_size_and_of_the_same_objects(cells, tmp_path):
    result = drawn(cells)
    objects = result.objects(pixel_size=(0.5, "µm"))
    paths = result.save(tmp_path, only=result.all_outputs(), prefix="a_", objects=objects)
    files = {f"a_{OUTPUTS[name]}" for name in result.all_outputs()}
    assert {path.name for path in paths.values()} == files
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths.values()}
    assert np.array_equal(tifffile.imread(paths["classes"]), result.mask)
    assert np.array_equal(tifffile.imread(paths["instances"]), objects.labels)
    assert paths["objects"].read_text("utf-8") == objects.csv()
    assert len(json.loads(paths["outlines"].read_text())["features"]) == len(objects)
    assert len(zipfile.ZipFile(paths["rois"]).namelist()) == len(objects)
    with tifffile.TiffFile(paths["instances"]) as tiff:  # readers find the size of a pixel
        assert tiff.pages.first.tags.valueof("ResolutionUnit") == 3
        assert tiff.pages.first.tags.valueof("XResolution") == (20_000, 1)
    with tifffile.TiffFile(paths["classes"]) as tiff:
        assert tiff.shaped_metadata[0]["Classes"] == ["ground", "cell"]


@pytest.mark.parametrize(("count", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_ids_take_16_bits_while_they_fit_and_32_beyond(count, dtype):
    ids = np.arange(1, count + 1, dtype=np.int32)
    objects = replace(drawn(np.ones((1, 1))).objects(), labels=ids[None], table={"id": ids})
    assert objects.instances().dtype == dtype
    assert objects.instances().max() == count


def test_an_unknown_output_is_refused_before_anything_is_written(cells, tmp_path):
    with pytest.raises(ConfigError, match="There is no output tables; there are mask, "):
        drawn(cells).save(tmp_path / "out", only=["mask", "tables"])
    assert not (tmp_path / "out").exists()


def test_who_asks_for_the_histogram_is_told_that_it_was_removed_and_what_to_do(
    cells, model, picture, tmp_path, capsys
):
    out = tmp_path / "out"
    words = r"'histogram' \(histogram.svg\) was removed. Write 'objects' \(objects.csv\) instead"
    with pytest.raises(ConfigError, match=words):
        drawn(cells).save(out, only=["mask", "histogram"])
    options = ("--model", model, "--output", out, "--only", "mask,histogram")
    assert status_of("segment", picture, *options) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(words, told)
    assert "np.histogram" in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("package", "output"), [("skimage", "objects"), ("skimage", "instances"), ("roifile", "rois")]
)
def test_a_missing_package_is_named_before_anything_is_written(
    cells, tmp_path, monkeypatch, package, output
):
    monkeypatch.setitem(sys.modules, package, None)
    if package == "skimage":
        monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(ConfigError, match=r'not installed.*pip install "\.\[objects\]"'):
        drawn(cells).save(tmp_path / "out", only=["mask", output])
    assert not (tmp_path / "out").exists()


def test_the_command_line_writes_what_python_writes(model, picture, tmp_path):
    out = tmp_path / "out"
    options = ["--method", "watershed", "--min-size", "4", "--exclude-border", "--classes", "cell"]
    arguments = ["segment", picture, "--model", model, "--output", out, *options]
    assert status_of(*arguments, "--pixel_size", "0.25 um", "--only", ",".join(OBJECT_OUTPUTS)) == 0
    result = UNet.from_pretrained(model).segment(picture)
    objects = result.objects(
        classes="cell", method="watershed", min_size=4, exclude_border=True, pixel_size="0.25 um"
    )
    assert len(objects) > 1
    unmeasured = result.object_labels(
        classes="cell", method="watershed", min_size=4, exclude_border=True
    )
    assert unmeasured.dtype == objects.instances().dtype
    assert (unmeasured == objects.instances()).all()
    saved = result.save(tmp_path / "saved", only=OBJECT_OUTPUTS, objects=objects)
    for path in saved.values():
        assert (out / f"my slice_{path.name}").read_bytes() == path.read_bytes()
    assert sorted(saved) == sorted(OBJECT_OUTPUTS)


def test_objects_found_another_way_are_computed_again_the_same_ones_are_not(
    model, picture, tmp_path, capsys
):
    table = tmp_path / "out" / "my slice_objects.csv"
    arguments = ["segment", picture, "--model", model, "--output", tmp_path / "out"]
    assert status_of(*arguments, "--only", "mask,objects") == 0
    assert status_of(*arguments, "--only", "mask,objects") == 0
    assert "1 of 1 segmented (1 of them before)" in capsys.readouterr().out
    every = table.read_text().count("\n")
    assert status_of(*arguments, "--only", "mask,objects", "--min_size", "30") == 0
    assert "before" not in capsys.readouterr().out
    assert table.read_text().count("\n") < every


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--min_size", "3"], "--min_size is for objects: add e.g. --only mask,objects"),
        (["--only", "objects", "--min_size", "few"], "'few' is not a number of pixels"),
        (["--only", "objects", "--method", "magic"], "invalid choice: 'magic'"),
        (["--only", "objects", "--classes", "nerve"], "There is no class 'nerve'"),
        (["--only", "objects", "--pixel_size", "3"], "is not a size with its unit"),
        (["--only", "rois,shapes"], "there is no 'shapes'"),
        (["--hidden", "nerve"], "There is no class 'nerve'"),
        (["--window", "5,1"], "window=(5.0, 1.0) is not (black, white)"),
        (["--window", "wide"], "'wide' is not two numbers, BLACK,WHITE"),
    ],
)
def test_the_command_line_refuses_before_it_computes(
    model, picture, tmp_path, capsys, options, words
):
    out = tmp_path / "out"
    assert status_of("segment", picture, "--model", model, "--output", out, *options) != 0
    assert words in capsys.readouterr().err
    assert not out.exists() or not list(out.glob("*_*"))


def test_a_batch_counts_the_objects_of_each_class(model, picture, tmp_path):
    """A column a class where objects are asked for, none where not; the same after a stop."""
    other = tmp_path / "other.png"
    PIL.Image.fromarray(np.arange(900, dtype=np.uint8).reshape(30, 30)).save(other)

    def table(out, *options) -> list[list[str]]:
        given = ("--model", model, "--output", tmp_path / out, "--only")
        assert status_of("segment", picture, other, *given, *options) == 0
        return list(csv.reader((tmp_path / out / "results.csv").read_text().splitlines()))

    assert not [name for name in table("masks", "mask")[0] if name.startswith("objects")]
    options = ("mask,instances", "--classes", "0,1", "--min_size", 4)
    head, *rows = table("whole", *options)
    assert head[-3:] == ["objects ground", "objects cell", "notes"]
    for row, path in zip(rows, (picture, other), strict=True):
        found = UNet.from_pretrained(model).segment(path).objects(classes=[0, 1], min_size=4)
        ids = found.table["class_id"]
        assert row[-3:-1] == [str((ids == 0).sum()), str((ids == 1).sum())]

    given = ("--model", model, "--output", tmp_path / "parts", "--only", *options)
    assert status_of("segment", picture, *given) == 0
    table("parts", *options)
    whole, parts = (tmp_path / name / "results.csv" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_the_bundle_holds_everything_and_its_lines_give_it_again(
    model, picture, tmp_path, monkeypatch
):
    result = UNet.from_pretrained(model).segment(picture, threshold=0.5, tta=True)
    objects = result.objects(method="watershed", min_size=2, pixel_size=(0.25, "µm"))
    recipe = Reproduction(str(model), look=Look(0.3, (0,), True, (-3, 90.5)))
    write_bundle(result, tmp_path / "all.zip", recipe, objects)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert content.keys() == {*OUTPUTS.values(), REPRODUCTION_NAME}
    lines = content[REPRODUCTION_NAME].decode()
    python, command = recipe.python(result, objects), recipe.command(result, objects)
    assert python in lines
    assert command in lines

    monkeypatch.chdir(tmp_path)
    exec(python, {})
    assert main(shlex.split(command)[3:]) == 0
    for name in set(OUTPUTS.values()) - {"summary.json"}:  # which tells seconds
        assert Path("out", name).read_bytes() == content[name]
        assert Path("out", f"my slice_{name}").read_bytes() == content[name]


def test_the_lines_name_page_axes_commit_and_what_was_chosen(tmp_path):
    pages = np.random.default_rng(0).integers(0, 255, (3, 20, 20), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "it's.tif", pages, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    result = UNet(base_channels=2, depth=1).segment(tmp_path / "it's.tif", page=2)
    objects = result.objects(classes=[0, 1], exclude_border=True)
    recipe = Reproduction("org/net", revision="abc", axes="ZYX")
    python, command = recipe.python(result, objects), recipe.command(result, objects)
    assert "UNet.from_pretrained('org/net', revision='abc')" in python
    assert """segment("it's.tif", page=2, axes='ZYX', threshold=0.5, precision=""" in python
    assert "result.objects(classes=[0, 1], exclude_border=True)" in python
    words = shlex.split(command)
    assert words[:5] == ["python", "-m", "unet_hf", "segment", "it's.tif"]
    assert words[words.index("--page") :][:4] == ["--page", "2", "--axes", "ZYX"]
    assert words[words.index("--classes") + 1] == "0,1"
    assert words[-1] == "--exclude_border"


COMMA, QUOTED = "cell, large", 'the "inner" part'


def test_written_lines_with_commas_quotes_and_digits_in_names_work_when_pasted(
    picture, tmp_path, monkeypatch
):
    """A class may also be named like the id of another one."""
    torch.manual_seed(0)
    names = {"0": "ground", "1": COMMA, "2": QUOTED, "3": "-4", "4": "1"}
    UNet(base_channels=2, depth=1, num_classes=5, id2label=names).save_pretrained(tmp_path / "net")
    result = UNet.from_pretrained(tmp_path / "net").segment(picture)
    monkeypatch.chdir(tmp_path)
    recipe = Reproduction(str(tmp_path / "net"), look=Look(hidden=(COMMA, "-4")))
    command = recipe.command(result, result.objects(classes=[1, 2], max_objects=10**6))
    shown = []
    settled = BatchOptions.settled
    monkeypatch.setattr(
        BatchOptions, "settled", lambda self, model: shown.append(self) or settled(self, model)
    )
    assert main(shlex.split(command)[3:]) == 0
    labels = result.id2label
    assert chosen_classes(shown[0].objects["classes"], labels) == (1, 2)
    assert shown[0].look.hidden_ids(labels) == (1, 3)


@pytest.mark.parametrize("names", [[COMMA], ["a", COMMA, QUOTED], ["-4", "ground"], ["#1 'x'"]])
def test_names_survive_being_listed_and_split(names):
    assert split_names(join_names(names)) == names


def test_lists_of_plain_names_are_read_as_before_and_broken_quotes_are_named(capsys):
    assert split_names(" a ,b,1") == ["a", "b", "1"]
    with pytest.raises(SystemExit):
        main(["segment", "x.png", "--hidden", '"a,b'])
    assert "stands in double quotes" in capsys.readouterr().err


def test_an_interrupted_bundle_is_not_there(cells, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_bundle(drawn(cells), tmp_path / "all.zip", Reproduction("unet-isbi"))
    assert not list(tmp_path.iterdir())
