"""Where a large image is segmented to, files of others stay, and a refusal leaves nothing."""

from pathlib import Path

import pytest
import tifffile
import torch

from unet_hf import UNet
from unet_hf.errors import ConfigError, UnreadableImageError
from unet_hf.large import segment_large

from ..support.random_pixels import drawn


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=4, depth=2)


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
