"""A large image whose run was ended goes on where it was, and on the disk tiles are whole."""

import io
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.errors import PrecisionError
from unet_hf.large import segment_large
from unet_hf.large.partial_result import PartialResult, Plane
from unet_hf.predict import tiles

from ..conftest import ROOT
from ..support.processes import forked_python
from ..support.random_pixels import drawn


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


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
        ({"threshold": 0.3}, "had another page, axes, channel, level or threshold"),
        ({"tile_size": 72}, "had another tile_size"),
        ({"tile_size": None}, "had another tile_size"),
        ({"precision": "float32"}, "had another precision"),
        ({"outputs": ["probabilities"]}, "had other outputs"),
        ({"tta": True}, "had another tta"),
        ({"image": drawn(151, 160)}, "had another image"),
        ({"model": UNet(base_channels=4, depth=2)}, "had another model"),
        ({"resume": False}, "was not wanted or incomplete"),
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
    calls = []
    again = run(lambda done, total: calls.append(done), **(first | change))
    assert min(calls) <= 1  # not 4, so it began at the first
    assert f"an unfinished run {said}: started from the beginning" in again.notes


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
