"""Large images: the same result as any other way, in flat memory, and never twice."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet, read_image
from unet_hf.__main__ import main
from unet_hf.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    PrecisionError,
    UnreadableImageError,
)
from unet_hf.large import outputs, prediction, segment, segment_large, tile_size_for, windows
from unet_hf.large.tile_size import BEARABLE, MEGABYTES, USEFUL, bytes_per_pixel
from unet_hf.large.windows import LazyPixels, open_image

from .conftest import ROOT


def drawn(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return random.normal(0, 3, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


# ----------------------------------------------------------------------------------- windows

TILED = {"tile": (64, 48), "compression": "zlib"}
GRAY = {"photometric": "minisblack"}
TIFFS = {
    "uncompressed, mapped": (drawn(150, 201), {}),
    "uncompressed tiles": (drawn(150, 201), {"tile": (64, 48)}),
    "tiles": (drawn(150, 201), TILED),
    "strips": (drawn(150, 201, dtype=np.uint16), {"compression": "lzw", "rowsperstrip": 7}),
    "one strip": (drawn(150, 201), {"compression": "zlib", "rowsperstrip": 150}),
    "floats": (drawn(150, 201, dtype=np.float32), {**TILED, "predictor": True}),
    "big-endian": (drawn(150, 201, dtype=np.uint16), {**TILED, "byteorder": ">"}),
    "big-endian, mapped": (drawn(150, 201, dtype=np.uint16), {"byteorder": ">"}),
    "bits": (drawn(150, 201) > 99, {}),
    "RGB": (drawn(150, 201, 3), {**TILED, "photometric": "rgb"}),
    "RGB in JPEG": (drawn(150, 201, 3), {**TILED, "photometric": "rgb", "compression": "jpeg"}),
    "RGB, planes apart": (
        drawn(3, 150, 201),
        {**TILED, "photometric": "rgb", "planarconfig": "separate"},
    ),
    "RGBA, strips": (drawn(150, 201, 4), {"photometric": "rgb", "compression": "zlib"}),
    "CMYK": (drawn(150, 201, 4), {**TILED, "photometric": "separated"}),
    "palette": (
        drawn(150, 201),
        {**TILED, "photometric": "palette", "colormap": drawn(3, 256, dtype=np.uint16)},
    ),
    "white is zero": (drawn(150, 201), {**TILED, "photometric": "miniswhite"}),
    "channels": (drawn(4, 150, 201), {**TILED, **GRAY, "metadata": {"axes": "CYX"}}),
    "channels, mapped": (drawn(4, 150, 201), {**GRAY, "metadata": {"axes": "CYX"}}),
}


def assert_same_image(source: object, expected: object, **options: object) -> None:
    """expected: what `read_image` is given."""
    whole = read_image(expected, **options)
    height, width = whole.height, whole.width
    with open_image(source, **options) as image:
        assert isinstance(image.pixels, LazyPixels)
        said, was = image.summary(), whole.summary()
        assert (image.is_rgb, image.axes_given) == (whole.is_rgb, whole.axes_given)
        assert {**said, "source": "", "format": ""} == {**was, "source": "", "format": ""}
        for rows, columns in (
            (np.arange(height), np.arange(width)),
            (np.arange(5, 77), np.arange(60, 150)),
            (np.abs(np.arange(-9, 3)), np.arange(width - 1, width)),
        ):
            seen = image.pixels[np.ix_(rows, columns)]
            assert seen.dtype == whole.dtype
            assert np.array_equal(seen, whole.pixels[np.ix_(rows, columns)])
        assert np.array_equal(image.pixels[13:29], whole.pixels[13:29])
        # The sums behind the normalisation are rounded alike: pixels lie in the same order.
        preprocessing = UNet(whole.channels, base_channels=2, depth=1).preprocessing
        lazy, usual = preprocessing.prepare(image), preprocessing.prepare(whole)
        assert torch.equal(lazy.whole(), usual.whole())


@pytest.mark.parametrize("kind", TIFFS)
def test_windows_of_a_tiff_are_those_of_the_whole(kind, tmp_path):
    pixels, options = TIFFS[kind]
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    assert_same_image(tmp_path / "a.tif", tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, TILED, {"compression": "lzw"}])
@pytest.mark.parametrize("channel", [None, 1])
def test_a_page_and_a_channel_of_a_stack(options, channel, tmp_path):
    path = tmp_path / "stack.tif"
    axes = {"metadata": {"axes": "ZCYX"}}
    tifffile.imwrite(path, drawn(3, 2, 90, 160, dtype=np.uint16), **GRAY, **axes, **options)
    assert_same_image(path, path, page=2, channel=channel)
    assert_same_image(path, path, page=4, axes="TZYX")


@pytest.mark.parametrize("channel", [0, 2])
def test_a_channel_of_a_colour(channel, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", drawn(150, 201, 3), photometric="rgb", **TILED)
    assert_same_image(tmp_path / "a.tif", tmp_path / "a.tif", channel=channel)


def test_the_finest_level_of_a_pyramid_with_its_pixel_size(tmp_path):
    path, pixels = tmp_path / "slide.ome.tif", drawn(300, 400, 3)
    with tifffile.TiffWriter(path) as writer:
        size = {f"PhysicalSize{axis}": 0.25 for axis in "XY"}
        options = {"photometric": "rgb", "tile": (128, 128), "compression": "deflate"}
        writer.write(pixels, subifds=1, metadata={"axes": "YXS", **size}, **options)
        writer.write(pixels[::2, ::2], subfiletype=1, **options)
    assert_same_image(path, path)
    with open_image(path) as image:
        assert (image.height, image.width, str(image.pixel_size)) == (300, 400, "0.25 µm")


def test_tiles_that_a_file_does_not_store_are_zero(tmp_path):
    tiles = (b"" if number % 2 else zlib.compress(drawn(64, 64).tobytes()) for number in range(9))
    options = {"shape": (150, 180), "dtype": np.uint8, "compression": "zlib", **GRAY}
    tifffile.imwrite(tmp_path / "a.tif", tiles, tile=(64, 64), **options)
    assert_same_image(tmp_path / "a.tif", tmp_path / "a.tif")


def test_arrays_mapped_or_not(tmp_path):
    stack = drawn(3, 90, 160, dtype=np.uint16)
    np.save(tmp_path / "a.npy", stack)
    assert_same_image(tmp_path / "a.npy", stack, axes="ZYX", page=1)
    assert_same_image(np.load(tmp_path / "a.npy", mmap_mode="r"), stack, axes="CYX", channel=2)
    assert_same_image(drawn(90, 160, 3), drawn(90, 160, 3))
    assert_same_image(drawn(90, 160, dtype=np.dtype(">f4")), drawn(90, 160, dtype=np.float32))


def test_there_is_no_limit_to_the_size(tmp_path):
    shape = (17_000, 17_000)
    np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.uint8, shape=shape)[-1] = 7
    with pytest.raises(ImageTooLargeError):
        read_image(tmp_path / "a.npy")
    with open_image(tmp_path / "a.npy") as image:
        assert (image.height, image.width) == shape
        assert image.pixels[16_998:17_000][:, -1, 0].tolist() == [0, 7]


def test_zarr_arrays_and_ome_zarr(tmp_path):
    import zarr

    pixels = drawn(2, 3, 90, 160, dtype=np.uint16)
    plain = zarr.open(
        str(tmp_path / "plain.zarr"),
        mode="w",
        shape=pixels.shape,
        chunks=(1, 1, 32, 50),
        dtype="u2",
    )
    plain[:] = pixels
    for source in (tmp_path / "plain.zarr", plain):
        assert_same_image(source, pixels, axes="ZCYX", page=1)

    group = zarr.open_group(str(tmp_path / "ome.zarr"), mode="w")
    for name, part in (("0", pixels), ("1", pixels[..., ::2, ::2])):
        array = group.create_array(name, shape=part.shape, chunks=(1, 1, 32, 50), dtype="u2")
        array[:] = part
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    scale = {"type": "scale", "scale": [1, 1, 0.5, 0.25]}
    datasets = [{"path": name, "coordinateTransformations": [scale]} for name in "01"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    with open_image(tmp_path / "ome.zarr", page=1, channel=2) as image:
        assert np.array_equal(image.pixels[0:90][..., 0], pixels[1, 2])
        assert (image.axes, str(image.pixel_size)) == ("TCYX", "0.25 x 0.5 µm")
        assert "the finest of 2 resolutions was taken" in image.notes

    zarr.open_group(str(tmp_path / "other.zarr"), mode="w").create_array(
        "raw", shape=(5, 5), dtype="u1"
    )
    with pytest.raises(ImageError, match="raw"), open_image(tmp_path / "other.zarr"):
        pass


def test_what_has_no_windows_is_read_whole_and_that_is_said(tmp_path):
    PIL.Image.fromarray(drawn(30, 40)).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as image:
        assert image.notes[-1] == "PNG images have no windows: it was read as a whole"
    turned = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", drawn(30, 40), extratags=turned)
    with open_image(tmp_path / "a.tif") as image:
        assert (image.height, image.width) == (40, 30)
        assert "read as a whole" in image.notes[-1]
    with pytest.raises(ImageError, match="There is no file"), open_image(tmp_path / "b.tif"):
        pass


# ------------------------------------------------------------------------------------ result

NETWORKS = {
    "modern": ({"base_channels": 4, "depth": 3}, (257, 341)),
    "modern, RGB, fixed": (
        {
            "in_channels": 3,
            "num_classes": 5,
            "base_channels": 4,
            "depth": 2,
            "preprocessing": {"normalization": "fixed"},
        },
        (203, 190, 3),
    ),
    "gray network, RGB image": ({"base_channels": 4, "depth": 2}, (130, 99, 3)),
    "paper, narrow": (
        {"base_channels": 4, "depth": 2, "padding": "valid", "norm": "none"},
        (173, 256),
    ),
    "one row": ({"base_channels": 4, "depth": 2}, (1, 300)),
}


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_result_is_that_of_segment_to_the_bit(name, precision, tmp_path):
    options, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = UNet(**options)
    source = tmp_path / "a.tif"
    rgb = {"photometric": "rgb"} if len(shape) == 3 else {}
    tifffile.imwrite(source, drawn(*shape), tile=(64, 64), compression="zlib", **rgb)
    usual = model.segment(source, precision=precision)
    smallest = 2 * model.geometry.halo + model.geometry.multiple
    large = segment_large(
        model,
        source,
        tmp_path / "out",
        outputs=("mask", "classes", "probabilities", "summary"),
        tile_size=smallest + 16,
        precision=precision,
    )
    assert large.tiles > usual.tiles
    probabilities = tifffile.imread(large.files["probabilities"])
    assert np.abs(probabilities - usual.probabilities).max() == 0.0
    for output in ("mask", "classes"):
        assert np.array_equal(tifffile.imread(large.files[output]), usual.mask)
    written = json.loads(large.files["summary"].read_text())
    changing = {"seconds": 0, "tiles": 0}
    assert written | changing == usual.summary() | changing
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"mask.tif", "classes.tif", "probabilities.tif", "summary.json"}


def test_the_default_tile_gives_the_same(model, tmp_path):
    image = drawn(70, 90)
    large = segment_large(model, image, tmp_path, outputs=["mask"], prefix="a_")
    assert large.tile_size == tile_size_for(model, large.precision)
    assert np.array_equal(tifffile.imread(tmp_path / "a_mask.tif"), model.segment(image).mask)


def test_all_turns_and_flips_with_their_uncertainty(model, tmp_path):
    image = drawn(90, 70)
    asked = ["probabilities", "uncertainty"]
    large = segment_large(model, image, tmp_path, outputs=asked, tta=True, tile_size=64)
    usual = model.segment(image, tta=True)
    assert large.tiles > usual.tiles
    assert np.array_equal(tifffile.imread(large.files["uncertainty"]), usual.uncertainty)
    assert np.array_equal(tifffile.imread(large.files["probabilities"]), usual.probabilities)
    with pytest.raises(ConfigError, match="tta"):
        segment_large(model, image, tmp_path, outputs=asked)


def test_results_as_zarr(model, tmp_path):
    import zarr

    image = drawn(70, 90)
    large = segment_large(model, image, tmp_path, outputs=["mask.zarr", "probabilities.zarr"])
    usual = model.segment(image)
    mask = zarr.open(str(large.files["mask.zarr"]), mode="r")
    assert np.array_equal(mask[:], usual.mask)
    assert mask.attrs["classes"] == ["class 0", "class 1"]
    assert np.array_equal(zarr.open(str(large.files["probabilities.zarr"]))[:], usual.probabilities)
    # Over itself, too.
    segment_large(model, image, tmp_path, outputs=["mask.zarr"])
    assert np.array_equal(zarr.open(str(large.files["mask.zarr"]), mode="r")[:], usual.mask)


def test_a_mask_has_tiles_a_palette_and_the_size_of_a_pixel(model, tmp_path, monkeypatch):
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, drawn(90, 70), resolution=(40_000, 20_000), resolutionunit=3)
    large = segment_large(model, source, tmp_path / "out", outputs=["mask", "probabilities"])
    assert str(large.image.pixel_size) == "0.25 x 0.5 µm"
    assert str(read_image(large.files["mask"]).pixel_size) == "0.25 x 0.5 µm"
    with tifffile.TiffFile(large.files["mask"]) as file:
        assert (file.pages[0].tile, file.pages[0].photometric.name) == ((512, 512), "PALETTE")
        assert not file.is_bigtiff
    monkeypatch.setattr(outputs, "CLASSIC", 1000)
    segment_large(model, source, tmp_path / "out")
    with tifffile.TiffFile(large.files["mask"]) as file:
        assert file.is_bigtiff
    with PIL.Image.open(large.files["mask"]) as shown:
        assert shown.convert("RGB").getcolors() is not None


def test_a_window_of_one_colour_is_computed_once(model, tmp_path, monkeypatch):
    image = np.full((200, 200), 255, np.uint8)
    image[10:20, 10:20] = drawn(10, 10)
    image[:, 150:] = 0
    computed = []
    original = prediction.network_of

    def counting(*arguments: object) -> object:
        network = original(*arguments)
        return lambda window: computed.append(1) or network(window)

    monkeypatch.setattr(prediction, "network_of", counting)
    large = segment_large(model, image, tmp_path, outputs=["probabilities"], tile_size=64)
    assert len(computed) < large.tiles / 2
    probabilities = tifffile.imread(large.files["probabilities"])
    assert np.array_equal(probabilities, model.segment(image).probabilities)


# ------------------------------------------------------------------------- ended, and gone on


class StopError(Exception):
    pass


def stop_after(count: int):
    def progress(done: int, total: int) -> None:
        if done >= count:
            raise StopError

    return progress


def test_ended_by_its_progress_nothing_is_there_and_the_next_run_goes_on(model, tmp_path):
    image, options = drawn(150, 160), {"outputs": ["mask", "probabilities"], "tile_size": 64}
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path / "out", progress=stop_after(3), **options)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unfinished"]
    calls = []
    resumed = segment_large(
        model, image, tmp_path / "out", progress=lambda *call: calls.append(call), **options
    )
    total = resumed.tiles
    assert calls == [(done, total) for done in range(4, total + 1)]
    assert f"gone on with a run that had 3 of {total} tiles" in resumed.notes
    straight = segment_large(model, image, tmp_path / "straight", **options)
    for name, path in resumed.files.items():
        assert path.read_bytes() == straight.files[name].read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": 0.3}, "options"),
        ({"tile_size": 72}, "tile_size"),
        ({"precision": "float32"}, "precision"),
        ({"outputs": ["probabilities"]}, "planes"),
        ({"tta": True}, "tta"),
        ({"image": drawn(151, 160)}, "input"),
        ({"model": UNet(base_channels=4, depth=2)}, "model"),
        ({"resume": False}, "not wanted"),
    ],
)
def test_of_anything_else_it_begins_anew_and_says_so(change, said, model, tmp_path, monkeypatch):
    # Somewhere "auto" is float32, too.
    monkeypatch.setattr(segment, "checked_precision", lambda precision, _: "bfloat16")
    if "precision" in change:
        monkeypatch.setattr(prediction, "network_of", lambda model, _: model)
    first = {"model": model, "image": drawn(150, 160), "tile_size": 64}

    def run(progress: object = None, *, model: UNet, image: np.ndarray, **options: object):
        return segment_large(model, image, tmp_path / "out", progress=progress, **options)

    with pytest.raises(StopError):
        run(stop_after(3), **first)
    if "precision" in change:
        monkeypatch.setattr(segment, "checked_precision", lambda precision, _: precision)
    with pytest.raises(StopError):
        run(stop_after(1), **(first | change))  # not "3 of", so it began at the first
    again = run(**(first | change | {"resume": False}))
    assert any(said in note or "not wanted" in note for note in again.notes)


@pytest.fixture
def one_thread():
    """The number of threads decides the last bit of a probability."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_killed_at_any_point_it_ends_with_the_same_bytes(tmp_path, one_thread):
    torch.manual_seed(0)
    UNet(base_channels=4, depth=2).save_pretrained(tmp_path / "model")
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, drawn(300, 310), tile=(64, 64), compression="zlib")
    script = """
import torch
torch.set_num_threads(1)
from unet_hf import UNet
from unet_hf.large import segment_large
segment_large(
    UNet.from_pretrained("model"), "a.tif", "killed", outputs=("mask", "probabilities"),
    tile_size=64, precision="float32", progress=lambda done, total: print(done, flush=True),
)
"""
    random = np.random.default_rng(0)
    for tiles in (5, 40):
        with subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            for _ in range(tiles):
                run.stdout.readline()
            time.sleep(random.uniform(0, 0.01))  # anywhere between two tiles
            run.send_signal(signal.SIGKILL)
        assert [path.name for path in (tmp_path / "killed").iterdir()] == ["unfinished"]
    options = {"outputs": ("mask", "probabilities"), "tile_size": 64, "precision": "float32"}
    model = UNet.from_pretrained(tmp_path / "model")
    killed = segment_large(model, source, tmp_path / "killed", **options)
    straight = segment_large(model, source, tmp_path / "straight", **options)
    assert killed.notes[-1].startswith("gone on with a run that had")
    for name, path in straight.files.items():
        assert killed.files[name].read_bytes() == path.read_bytes()
    assert not (tmp_path / "killed" / "unfinished").exists()


def test_a_record_that_was_cut_off_counts_up_to_there(model, tmp_path):
    image, options = drawn(150, 160), {"outputs": ["probabilities"], "tile_size": 64}
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, progress=stop_after(13), **options)
    record = tmp_path / "unfinished" / "finished.jsonl"
    assert record.read_text().endswith("[12]\n")
    record.write_text(record.read_text()[:-3])  # "[1" is no tile
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, progress=stop_after(14), **options)
    resumed = segment_large(model, image, tmp_path, **options)
    assert any("had 14 of" in note for note in resumed.notes)
    probabilities = tifffile.imread(resumed.files["probabilities"])
    assert np.array_equal(probabilities, model.segment(image).probabilities)


def test_float32_where_float16_is_too_small_also_after_a_stop(model, tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "checked_precision", lambda *_: "float16")
    original, tried = prediction.network_of, []

    def narrow(model: UNet, precision: str) -> object:
        tried.append(precision)
        if precision == "float32":
            return original(model, precision)

        def fails(window: torch.Tensor) -> torch.Tensor:
            raise PrecisionError("too large")

        return fails

    monkeypatch.setattr(prediction, "network_of", narrow)
    image = drawn(150, 160)
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, tile_size=64, progress=stop_after(2))
    result = segment_large(model, image, tmp_path, tile_size=64)
    assert tried == ["float16", "float32", "float32"]
    assert result.precision == "float32"
    assert result.notes[-1] == "float16 cannot hold this network's values: float32 was taken"
    assert not any("begun anew" in note for note in result.notes)
    with pytest.raises(PrecisionError):
        segment_large(model, image, tmp_path, tile_size=64, precision="float16")


def test_two_runs_do_not_write_the_same_outputs(model, tmp_path):
    def second(done: int, total: int) -> None:
        segment_large(model, drawn(20, 20), tmp_path)

    with pytest.raises(ConfigError, match="Another run"):
        segment_large(model, drawn(150, 160), tmp_path, progress=second)


def test_a_damaged_tile_ends_in_one_sentence_and_leaves_nothing(model, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, drawn(150, 160), tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[-1]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r"a\.tif cannot be decoded"):
        segment_large(model, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked_for(model, tmp_path):
    for asked in ({"outputs": ["overlay"]}, {"outputs": []}, {"tile_size": 20}):
        with pytest.raises(ConfigError):
            segment_large(model, drawn(20, 20), tmp_path, **asked)
    assert not list(tmp_path.iterdir())


# ----------------------------------------------------------------------------------- command


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
    monkeypatch.setattr(windows, "LARGE", 10_000)
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
    monkeypatch.setattr(windows, "LARGE", 10_000)
    segmented(images, "--only", "mask,objects")  # objects need the image as a whole
    assert (images / "out" / "large_mask.png").is_file()
    assert not (images / "out" / "large_mask.tif").exists()


def test_the_command_refuses_objects_of_images_by_windows(images, capsys):
    with pytest.raises(AssertionError):
        segmented(images, "--large", "--only", "mask,objects")
    assert "need the image as a whole" in capsys.readouterr().err


def test_the_command_takes_zarr(images):
    import zarr

    pixels = drawn(2, 70, 80)
    array = zarr.open(str(images / "a.zarr"), mode="w", shape=pixels.shape, dtype="u1")
    array[:] = pixels
    command = ["segment", images / "a.zarr", "--axes", "ZYX", "--model", images / "model"]
    assert main(list(map(str, [*command, "--output", images / "out", "--only", "mask"]))) == 0
    model = UNet.from_pretrained(images / "model")
    for page in range(2):
        mask = tifffile.imread(images / "out" / f"a_page000{page}_mask.tif")
        assert np.array_equal(mask, model.segment(pixels[page]).mask)


# ------------------------------------------------------------------------------------ memory


def test_tiles_are_as_large_as_the_budget_and_never_all_halo():
    narrow, wide = UNet(base_channels=8), UNet.paper()
    for model in (narrow, wide):
        sizes = [tile_size_for(model, "float32", budget) for budget in (0, 300, 2000, 10**6)]
        assert sizes == sorted(sizes)
        for ratio, size in ((BEARABLE, sizes[0]), (USEFUL, sizes[-1])):
            computed = (size / (size - 2 * model.geometry.halo)) ** 2
            assert ratio * 0.95 <= computed <= ratio
        assert tile_size_for(model, "bfloat16", 900) > tile_size_for(model, "float32", 900)
    size = tile_size_for(narrow, "float32")
    assert size**2 * bytes_per_pixel(narrow, "float32") < MEGABYTES * 2**20


def test_memory_does_not_grow_with_the_image(tmp_path):
    """Sixteen times the pixels: 60 MB more of image, mask and probabilities on the disk."""
    script = """
import sys
from pathlib import Path
import numpy as np
import tifffile
from unet_hf import UNet
from unet_hf.large import segment_large
from unet_hf.speed import _peak_megabytes
side = int(sys.argv[1])
tile = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
tiles = (tile for _ in range((side // 256) ** 2))
options = {"shape": (side, side), "dtype": np.uint8, "tile": (256, 256), "compression": "zlib"}
tifffile.imwrite(f"{side}.tif", tiles, **options)
segment_large(
    UNet(base_channels=2, depth=2), f"{side}.tif", "out", outputs=("mask", "probabilities"),
    tile_size=512,
)
print(_peak_megabytes())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    small, large = (
        float(
            subprocess.run(
                [sys.executable, "-c", script, side],
                cwd=tmp_path,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for side in ("768", "3072")
    )
    assert large - small < 40  # a mask and probabilities in memory would be 90 MB
    assert Path(tmp_path / "out" / "mask.tif").is_file()
