"""Large images: the same result as any other way, in flat memory, and never twice."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet, read_image
from unet_hf.batch.item import BatchOptions
from unet_hf.batch.progress import Progress
from unet_hf.batch.run import segment_files
from unet_hf.cli.main import main
from unet_hf.engine.engine import Engine
from unet_hf.engine.memory import MEMORY
from unet_hf.errors import ConfigError, PrecisionError, UnreadableImageError
from unet_hf.images import windows
from unet_hf.large import outputs, segment, segment_large, tile_size_for
from unet_hf.large.partial_result import PartialResult, Plane
from unet_hf.large.tile_size import (
    MAX_OVERHEAD,
    MEGABYTES,
    TARGET_OVERHEAD,
    bytes_per_pixel,
    fixed_bytes,
    megabytes_for,
    overlap_overhead,
)
from unet_hf.predict import tiles

from .conftest import ROOT
from .processes import forked_python


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


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


def test_an_image_of_one_column(model, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (600, 1), dtype=np.uint8)
    result = model.segment(image)
    segment_large(model, image, tmp_path, outputs=("mask", "probabilities"))
    written = tifffile.imread(tmp_path / "probabilities.tif")
    assert np.array_equal(written, result.probabilities)
    assert np.array_equal(tifffile.imread(tmp_path / "mask.tif"), result.mask)


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


def test_a_wide_result_is_written_piece_by_piece(model, tmp_path, monkeypatch):
    import zarr

    monkeypatch.setattr(outputs, "CHUNK_BYTES", 1)
    image = drawn(40, 1100)
    large = segment_large(model, image, tmp_path, outputs=["mask", "probabilities.zarr"])
    usual = model.segment(image)
    assert np.array_equal(tifffile.imread(large.files["mask"]), usual.mask)
    assert np.array_equal(zarr.open(str(large.files["probabilities.zarr"]))[:], usual.probabilities)


def test_a_mask_has_tiles_a_palette_and_the_size_of_a_pixel(model, tmp_path, monkeypatch):
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, drawn(90, 70), resolution=(40_000, 20_000), resolutionunit=3)
    large = segment_large(model, source, tmp_path / "out", outputs=["mask", "probabilities"])
    assert str(large.image.pixel_size) == "0.25 x 0.5 µm"
    assert str(read_image(large.files["mask"]).pixel_size) == "0.25 x 0.5 µm"
    with tifffile.TiffFile(large.files["mask"]) as file:
        assert (file.pages[0].tile, file.pages[0].photometric.name) == ((512, 512), "PALETTE")
        assert not file.is_bigtiff
    monkeypatch.setattr(outputs, "MAX_CLASSIC_TIFF_BYTES", 1000)
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
    original = tiles.logits_function

    def counting(*arguments: object) -> object:
        network = original(*arguments)
        return lambda window, *_, **__: computed.append(1) or network(window)

    monkeypatch.setattr(tiles, "logits_function", counting)
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
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".unet_hf-unfinished"]
    calls = []
    resumed = segment_large(
        model, image, tmp_path / "out", progress=lambda *call: calls.append(call), **options
    )
    total = resumed.tiles
    # A tile that takes long, as on a busy machine, is told of more than once.
    assert set(calls) - {(3, total)} == {(done, total) for done in range(4, total + 1)}
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
    # On some CPUs "auto" is float32, and not every CPU computes in bfloat16: what the precision is
    # called counts here, and all is computed in float32.
    monkeypatch.setattr(tiles, "checked_precision", lambda precision, _: "bfloat16")
    monkeypatch.setattr(
        tiles, "logits_function", lambda model, _: lambda image, *_, **__: model(image)
    )
    first = {"model": model, "image": drawn(150, 160), "tile_size": 64}

    def run(progress: object = None, *, model: UNet, image: np.ndarray, **options: object):
        return segment_large(model, image, tmp_path / "out", progress=progress, **options)

    with pytest.raises(StopError):
        run(stop_after(3), **first)
    if "precision" in change:
        monkeypatch.setattr(tiles, "checked_precision", lambda precision, _: precision)
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
import os
import torch
torch.set_num_threads(1)
from unet_hf import UNet
from unet_hf.large import segment_large
print(os.getpid(), flush=True)
segment_large(
    UNet.from_pretrained("model"), "a.tif", "killed", outputs=("mask", "probabilities"),
    tile_size=64, precision="float32", progress=lambda done, total: print(done, flush=True),
)
"""
    random = np.random.default_rng(0)
    for finished in (5, 40):
        with subprocess.Popen(
            [*forked_python(), "-c", script],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            process = int(run.stdout.readline())
            for _ in range(finished):
                run.stdout.readline()
            time.sleep(random.uniform(0, 0.01))  # anywhere between two tiles
            os.kill(process, signal.SIGKILL)
        assert [path.name for path in (tmp_path / "killed").iterdir()] == [".unet_hf-unfinished"]
    options = {"outputs": ("mask", "probabilities"), "tile_size": 64, "precision": "float32"}
    model = UNet.from_pretrained(tmp_path / "model")
    killed = segment_large(model, source, tmp_path / "killed", **options)
    straight = segment_large(model, source, tmp_path / "straight", **options)
    assert killed.notes[-1].startswith("gone on with a run that had")
    for name, path in straight.files.items():
        assert killed.files[name].read_bytes() == path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "mask.tif",
        "probabilities.tif",
    ]


def test_a_record_that_was_cut_off_counts_up_to_there(model, tmp_path):
    image, options = drawn(150, 160), {"outputs": ["probabilities"], "tile_size": 64}
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, progress=stop_after(13), **options)
    record = tmp_path / ".unet_hf-unfinished" / "finished.jsonl"
    assert record.read_text().endswith("[12]\n")
    record.write_text(record.read_text()[:-3])  # "[1" is no tile
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, progress=stop_after(14), **options)
    resumed = segment_large(model, image, tmp_path, **options)
    assert any("had 14 of" in note for note in resumed.notes)
    probabilities = tifffile.imread(resumed.files["probabilities"])
    assert np.array_equal(probabilities, model.segment(image).probabilities)


def test_float32_where_float16_is_too_small_also_after_a_stop(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "checked_precision", lambda *_: "float16")
    original, tried = tiles.logits_function, []

    def narrow(model: UNet, precision: str) -> object:
        tried.append(precision)
        if precision == "float32":
            return original(model, precision)

        def fails(*_: object, **__: object) -> torch.Tensor:
            raise PrecisionError("too large")

        return fails

    monkeypatch.setattr(tiles, "logits_function", narrow)
    image = drawn(150, 160)
    with pytest.raises(StopError):
        segment_large(model, image, tmp_path, tile_size=64, progress=stop_after(2))
    result = segment_large(model, image, tmp_path, tile_size=64)
    assert tried == ["float16", "float32", "float32"]
    assert result.precision == "float32"
    assert result.notes[-1] == "float16 cannot hold this network's values: float32 was taken"
    assert not any("from the beginning" in note for note in result.notes)
    with pytest.raises(PrecisionError):
        segment_large(model, image, tmp_path, tile_size=64, precision="float16")


def test_two_runs_do_not_write_the_same_outputs(model, tmp_path):
    def second(done: int, total: int) -> None:
        segment_large(model, drawn(20, 20), tmp_path)

    with pytest.raises(ConfigError, match="Another run"):
        segment_large(model, drawn(150, 160), tmp_path, progress=second)


@pytest.mark.parametrize("prefix", ["", "a_", "below/a_"])
def test_a_folder_of_somebody_else_stays_whatever_its_name(prefix, model, tmp_path):
    mine = tmp_path / f"{prefix}unfinished" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = segment_large(model, drawn(20, 20), tmp_path, prefix=prefix)
    assert result.files["mask"] == tmp_path / f"{prefix}mask.tif"
    assert mine.read_text() == "mine"
    below = {path.name for path in result.files["mask"].parent.iterdir()}
    assert below == {f"{Path(prefix + 'x').name[:-1]}{name}" for name in ("unfinished", "mask.tif")}


def test_where_it_would_keep_what_is_unfinished_nothing_else_is_touched(model, tmp_path):
    mine = tmp_path / ".unet_hf-unfinished" / "mine.txt"
    mine.parent.mkdir()
    segment_large(model, drawn(20, 20), tmp_path)  # an empty folder is nobody's loss
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ConfigError, match=r"no finished\.jsonl"):
        segment_large(model, drawn(20, 20), tmp_path)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["mask.tif", "mask.zarr"])
def test_a_folder_with_the_name_of_a_result_is_not_replaced(name, model, tmp_path):
    output = name.removesuffix(".tif")
    mine = tmp_path / name / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="Move it away"):
        segment_large(model, drawn(20, 20), tmp_path, outputs=[output])
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_zarr_of_somebody_else_is_not_replaced_but_an_earlier_result_is(model, tmp_path):
    import zarr

    theirs = zarr.open(str(tmp_path / "mask.zarr"), mode="w", shape=(5, 5), dtype="u1")
    theirs[:] = 3
    with pytest.raises(ConfigError, match="Move it away"):
        segment_large(model, drawn(20, 20), tmp_path, outputs=["mask.zarr"])
    assert (zarr.open(str(tmp_path / "mask.zarr"))[:] == 3).all()
    for size in (20, 30):
        segment_large(model, drawn(size, size), tmp_path / "out", outputs=["mask.zarr"])
    assert zarr.open(str(tmp_path / "out" / "mask.zarr")).shape == (30, 30)


def test_killed_while_it_begins_the_next_run_begins(model, tmp_path, monkeypatch):
    def killed(plane: Plane) -> None:
        raise StopError

    options = {"tile_size": 64, "outputs": ["probabilities"]}
    with pytest.raises(StopError):
        segment_large(model, drawn(150, 160), tmp_path, progress=stop_after(2), **options)
    with monkeypatch.context() as patched:
        patched.setattr(Plane, "create", killed)
        patched.setattr(PartialResult, "remove", killed)  # a killed process clears nothing away
        with pytest.raises(StopError):
            segment_large(model, drawn(151, 160), tmp_path, **options)
    image = drawn(152, 160)
    result = segment_large(model, image, tmp_path, **options)
    probabilities = tifffile.imread(result.files["probabilities"])
    assert np.array_equal(probabilities, model.segment(image).probabilities)


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


# -------------------------------------------------------------------------------------- disk


@pytest.fixture
def plane(tmp_path) -> Plane:
    plane = Plane(tmp_path / "plane.raw", (1, 4, 4096), np.float32)
    plane.create()
    return plane


ALL = slice(0, 4), slice(0, 4096)


def test_what_the_system_writes_and_reads_in_parts_is_whole(plane, monkeypatch):
    class InParts(io.FileIO):
        def write(self, data: memoryview) -> int:
            return super().write(memoryview(data).cast("B")[:5000])

        def readinto(self, data: memoryview) -> int:
            return super().readinto(memoryview(data).cast("B")[:5000])

    monkeypatch.setattr(
        Path, "open", lambda path, mode, buffering: InParts(path, mode.replace("b", ""))
    )
    values = np.random.default_rng(0).random((1, 4, 4096), np.float32)
    plane.write(*ALL, values)
    assert np.array_equal(plane.read(0, *ALL), values[0])


def test_a_full_disk_leaves_no_hole_in_a_tile(plane):
    """A limit to the size of files stands for the disk's: the last row has no room for its end."""
    script = f"""
import resource, signal
from pathlib import Path
import numpy as np
from unet_hf.large.partial_result import Plane
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 16384 + 5000, resource.RLIM_INFINITY))
plane = Plane(Path({str(plane.path)!r}), (1, 4, 4096), np.float32)
try:
    plane.write(slice(0, 4), slice(0, 4096), np.ones((1, 4, 4096), np.float32))
except OSError as error:
    print(error.strerror)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [*forked_python(), "-c", script], env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "File too large\n"


def test_a_plane_that_was_cut_off_is_told_of(plane):
    os.truncate(plane.path, plane.nbytes - 4)
    with pytest.raises(OSError, match=r"became shorter.*plane\.raw"):
        plane.read(0, *ALL)
    with pytest.raises(OSError, match=r"became shorter.*plane\.raw"):
        list(plane.bands(0, 2))


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


# ------------------------------------------------------------------------------------ memory


def test_tiles_are_as_large_as_the_budget_and_never_all_halo():
    narrow, wide = UNet(base_channels=8), UNet.paper(base_channels=32)
    for model in (narrow, wide):
        sizes = [
            tile_size_for(model, "float32", megabytes=budget) for budget in (0, 400, 2000, 10**6)
        ]
        assert sizes == sorted(sizes)
        for ratio, size in ((MAX_OVERHEAD, sizes[0]), (TARGET_OVERHEAD, sizes[-1])):
            assert ratio * 0.95 <= overlap_overhead(model.geometry, size) <= ratio
        precisions = [tile_size_for(model, name) for name in ("float32", "bfloat16", "int8")]
        assert precisions == sorted(precisions)
        assert tile_size_for(model, "float32", tta=True) <= precisions[0]
        for tta in (False, True):
            size = tile_size_for(model, "float32", tta=tta)
            assert megabytes_for(model, "float32", size, tta=tta) <= MEGABYTES
            larger = size + model.geometry.multiple
            assert megabytes_for(model, "float32", larger, tta=tta) > MEGABYTES


def test_the_budget_counts_what_the_engine_keeps():
    for options in ({}, {"padding": "valid", "norm": "none"}, {"upsampling": "bilinear"}):
        model = UNet(base_channels=16, depth=2, **options).eval()
        side = model.geometry.input_size(512)
        MEMORY.release()
        Engine(model, "float32")(torch.zeros(1, model.config["in_channels"], side, side))
        counted = side**2 * bytes_per_pixel(model, "float32") + fixed_bytes(model, "float32")
        assert 0.8 * counted < len(MEMORY) < counted


def test_where_tiles_have_to_be_small_it_is_said_what_larger_ones_would_bring(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(segment, "tile_size_for", lambda *_, **__: 64)
    result = segment_large(model, drawn(150, 160), tmp_path)
    assert "tiles of 64 px compute 16.0 times the pixels that they keep" in result.notes[-1]
    assert "tile_size=128" in result.notes[-1]
    chosen = segment_large(model, drawn(150, 160), tmp_path, tile_size=64)
    assert not any("tiles of" in note for note in chosen.notes)


def test_memory_does_not_grow_with_the_image(tmp_path):
    """Sixteen times the pixels: 60 MB more of image, mask and probabilities on the disk."""
    script = """
import sys
from pathlib import Path
import numpy as np
import tifffile
from unet_hf import UNet
from unet_hf.large import segment_large
from unet_hf.evaluation.speed import _peak_megabytes
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
