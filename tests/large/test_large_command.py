"""The command takes large images by windows, of each page, and says so."""

import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.progress import Progress
from unet_hf.batch.run import segment_files
from unet_hf.cli.main import main
from unet_hf.images import windows

from ..support.random_pixels import drawn


@pytest.fixture
def images(tmp_path) -> Path:
    """A large and a small one, where 10,000 pixels are many; and a model."""
    torch.manual_seed(0)
    UNet(base_channels=4, depth=2).save_pretrained(tmp_path / "model")
    (tmp_path / "images").mkdir()
    for name, size in (("large", (150, 160)), ("small", (50, 60))):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", drawn(*size))
    return tmp_path


def segmented(folder: Path, *options: object) -> dict[str, dict[str, str]]:
    """What the command says of each image."""
    command = ["segment", folder / "images", "--model", folder / "model", "--output"]
    assert main(list(map(str, [*command, folder / "out", *options]))) == 0
    with (folder / "out" / "results.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_the_command_takes_windows_by_itself_where_an_image_is_large(images, monkeypatch, capsys):
    monkeypatch.setattr(windows, "LARGE_PIXELS", 10_000)
    rows = segmented(images)
    written = {path.name for path in (images / "out").iterdir() if path.suffix != ".jsonl"}
    small = {f"small_{name}" for name in ("mask.png", "overlay.png", "probabilities.tif")}
    large = {f"large_{name}" for name in ("mask.tif", "probabilities.tif")}
    summaries = {f"{name}_summary.json" for name in ("small", "large")}
    assert written == {"results.csv", *small, *large, *summaries}
    assert rows["large.tif"]["notes"] == "no overlay: the image was segmented by windows"
    usual = UNet.from_pretrained(images / "model").segment(images / "images" / "large.tif")
    assert np.array_equal(tifffile.imread(images / "out" / "large_mask.tif"), usual.mask)
    assert int(rows["large.tif"]["pixels class 1"]) == usual.areas()["class 1"]["pixels"]
    segmented(images)
    assert "everything is segmented already" in capsys.readouterr().err


def test_the_command_takes_all_by_windows_or_none_if_it_is_told_so(images, monkeypatch):
    segmented(images, "--large", "--only", "mask")
    masks = {path.name for path in (images / "out").glob("*_*")}
    assert masks == {"large_mask.tif", "small_mask.tif"}
    monkeypatch.setattr(windows, "LARGE_PIXELS", 10_000)
    segmented(images, "--only", "mask,objects")  # of both sizes, and of all in one table
    table = (images / "out" / "large_objects.csv").read_text()
    assert (images / "out" / "large_mask.tif").is_file()
    with (images / "out" / "summary.csv").open(newline="") as file:
        counts = {row["file"]: int(row["objects class 1"]) for row in csv.DictReader(file)}
    assert counts["large.tif"] == table.count("\n") - 1
    for options in (["--method", "watershed"], ["--only", "mask,objects,rois"]):
        segmented(images, "--only", "mask,objects", *options)  # these need the image as a whole
        assert (images / "out" / "large_mask.png").is_file()
        assert not (images / "out" / "large_mask.tif").exists()
        segmented(images, "--only", "mask")
    usual = UNet.from_pretrained(images / "model").segment(images / "images" / "large.tif")
    assert table == usual.objects().csv()


def test_the_command_refuses_a_watershed_of_images_by_windows(images, capsys):
    with pytest.raises(AssertionError):
        segmented(images, "--large", "--only", "mask,objects", "--method", "watershed")
    assert "needs the image as a whole" in capsys.readouterr().err


def written_stack(folder: Path, kind: str, pixels: np.ndarray, axes: str) -> Path:
    if kind == "zarr":
        import zarr

        array = zarr.open(str(folder / "a.zarr"), mode="w", shape=pixels.shape, dtype="u1")
        array[:] = pixels
        return folder / "a.zarr"
    options = {"tile": (32, 32), "compression": "zlib", "photometric": "minisblack"}
    tifffile.imwrite(folder / "a.ome.tif", pixels, metadata={"axes": axes}, **options)
    return folder / "a.ome.tif"


@pytest.mark.parametrize("kind", ["zarr", "ome.tif"])
def test_the_command_takes_stacks_page_by_page(kind, images):
    pixels = drawn(2, 2, 3, 70, 80)
    path = written_stack(images, kind, pixels, "TZCYX")
    command = ["segment", path, "--axes", "TZCYX", "--channel", 1, "--model", images / "model"]
    options = ["--output", images / "out", "--large", "--only", "mask", "--tile_size", 64]
    assert main(list(map(str, [*command, *options]))) == 0
    model, name = UNet.from_pretrained(images / "model"), path.name.rpartition(".")[0]
    for page, (time_point, slice_) in enumerate(np.ndindex(2, 2)):
        mask = tifffile.imread(images / "out" / f"{name}_page000{page}_mask.tif")
        assert np.array_equal(mask, model.segment(pixels[time_point, slice_, 1]).mask)
    assert main(list(map(str, [*command, *options, "--page", 2, "--overwrite"]))) == 0


def test_a_stack_goes_on_at_the_last_tile_of_the_page_at_hand(images):
    pixels = drawn(3, 150, 160)
    path = written_stack(images, "ome.tif", pixels, "ZYX")
    options = BatchOptions(str(images / "model"), outputs=("mask",), large=True, tile_size=64)
    parts: list[int] = []

    class Stopping(Progress):
        def part(self, done: int, total: int) -> None:
            parts.append(done)
            if len(parts) == total + 5:  # on the second page
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="1 of 3 segmented"):
        segment_files([str(path)], images / "out", options, lambda _: Stopping(3, "image"))
    segment_files([str(path)], images / "out", options)
    with (images / "out" / "results.csv").open(newline="") as file:
        notes = [row["notes"] for row in csv.DictReader(file)]
    assert ["gone on with a run that had 5 of" in note for note in notes] == [False, True, False]


def test_the_command_takes_one_resolution_of_a_pyramid(images, monkeypatch):
    pixels = drawn(200, 160)
    with tifffile.TiffWriter(images / "a.ome.tif") as writer:
        writer.write(pixels, subifds=1, tile=(32, 32))
        writer.write(pixels[::2, ::2], subfiletype=1, tile=(32, 32))
    monkeypatch.setattr(windows, "LARGE_PIXELS", 10_000)  # at full resolution it is larger
    command = ["segment", images / "a.ome.tif", "--model", images / "model", "--only", "mask"]
    expected = UNet.from_pretrained(images / "model").segment(pixels[::2, ::2]).mask
    for option, ending in (((), "png"), (("--large",), "tif")):
        asked = [*command, "--level", 1, "--output", images / "out", *option]
        assert main(list(map(str, asked))) == 0
        with PIL.Image.open(images / "out" / f"a.ome_mask.{ending}") as mask:
            assert np.array_equal(np.asarray(mask), expected)
