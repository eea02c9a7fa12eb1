"""`segment` over many files: what it writes, what it takes and refuses, and how it tells."""

import csv

import numpy as np
import PIL.Image
import pytest
import tifffile

from unet_hf import UNet
from unet_hf.batch.inputs import find_inputs
from unet_hf.errors import ConfigError, ImageNotFoundError

from ..support.batches import draw, files, pixels, segment, times

OUTPUTS = ("mask.png", "overlay.png", "probabilities.tif", "summary.json")

pytestmark = pytest.mark.usefixtures("one_thread")


def test_outputs_are_the_bytes_that_save_writes(three_images, batch_model, tmp_path):
    segment(three_images, tmp_path / "out", batch_model)
    network = UNet.from_pretrained(batch_model)
    for name in ("a.png", "plate/a.png", "plate/b.tif"):
        network.segment(three_images / name).save(tmp_path / "saved" / name)
        written, saved = files(tmp_path / "out"), files(tmp_path / "saved" / name)
        stem = name.partition(".")[0]
        assert {output: written[f"{stem}_{output}"] for output in OUTPUTS} == saved
    mask = np.asarray(PIL.Image.open(tmp_path / "out" / "a_mask.png"))
    assert set(np.unique(mask)) == {0, 1}  # or the claim would be empty


def test_the_table_has_the_areas_of_every_image(three_images, batch_model, tmp_path):
    segment(three_images, tmp_path / "out", batch_model, outputs=("mask",))
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.png", "plate/a.png", "plate/b.tif"]
    for row in rows:
        stem = row["file"].partition(".")[0]
        cells = int(np.asarray(PIL.Image.open(tmp_path / "out" / f"{stem}_mask.png")).sum())
        assert int(row["pixels cell"]) == cells
        assert int(row["pixels ground"]) == 32 * 32 - cells
        assert float(row["share cell"]) == round(cells / 1024, 6)


def test_every_page_has_outputs_and_all_masks_are_one_stack(batch_model, tmp_path):
    stack = pixels(0, (3, 20, 30))
    tifffile.imwrite(tmp_path / "cells.tif", stack, metadata={"axes": "ZYX"},
                     photometric="minisblack")  # fmt: skip
    batch = segment(tmp_path / "cells.tif", tmp_path / "out", batch_model)
    assert batch.summary() == "3 of 3 segmented"
    masks = []
    for page in range(3):
        result = UNet.from_pretrained(batch_model).segment(tmp_path / "cells.tif", page=page)
        masks.append(result.mask)
        saved = result.save(tmp_path / "saved")
        written = tmp_path / "out" / f"cells_page{page:04d}_probabilities.tif"
        assert written.read_bytes() == saved["probabilities"].read_bytes()
    with tifffile.TiffFile(tmp_path / "out" / "cells_mask.tif") as written:
        assert written.series[0].axes == "ZYX"
        assert written.asarray().dtype == np.uint8
        assert np.array_equal(written.asarray(), masks)

    before = times(tmp_path / "out", "_mask.tif")
    segment(tmp_path / "cells.tif", tmp_path / "out", batch_model)
    assert times(tmp_path / "out", "_mask.tif") == before
    (tmp_path / "out" / "cells_mask.tif").unlink()
    again = segment(tmp_path / "cells.tif", tmp_path / "out", batch_model)
    assert again.todo == []
    assert np.array_equal(tifffile.imread(tmp_path / "out" / "cells_mask.tif"), masks)


def test_of_pages_that_a_file_no_longer_has_nothing_is_left(batch_model, tmp_path):
    for pages in ((3, 20, 30), (2, 20, 30), (20, 30)):
        axes = "ZYX"[-len(pages) :]
        tifffile.imwrite(tmp_path / "cells.tif", pixels(0, pages), metadata={"axes": axes},
                         photometric="minisblack")  # fmt: skip
        segment(tmp_path / "cells.tif", tmp_path / "out", batch_model)
        segment(tmp_path / "cells.tif", tmp_path / f"fresh{pages}", batch_model)
        assert files(tmp_path / "out") == files(tmp_path / f"fresh{pages}")


def test_pages_of_different_sizes_are_pages_of_the_stack_too(batch_model, tmp_path):
    sides = (20, 31)
    with tifffile.TiffWriter(tmp_path / "cells.tif") as file:
        for side in sides:
            file.write(pixels(side, (side, side)), photometric="minisblack", metadata=None)
    segment(tmp_path / "cells.tif", tmp_path / "out", batch_model)
    with tifffile.TiffFile(tmp_path / "out" / "cells_mask.tif") as written:
        assert [page.shape for page in written.pages] == [(side, side) for side in sides]


def test_one_page_alone_can_be_asked_for(batch_model, tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", pixels(0, (3, 20, 30)), metadata={"axes": "ZYX"},
                     photometric="minisblack")  # fmt: skip
    batch = segment(
        tmp_path / "cells.tif", tmp_path / "out", batch_model, page=1, outputs=("mask",)
    )
    assert [item.name for item in batch.items] == ["cells_page0001"]
    assert not (tmp_path / "out" / "cells_mask.tif").exists()
    batch = segment(
        tmp_path / "cells.tif", tmp_path / "out", batch_model, page=7, outputs=("mask",)
    )
    assert "has no page 7: it has 3 pages" in batch.failures[0].reason


def test_results_among_the_images_are_never_taken_for_images(three_images, batch_model, tmp_path):
    inside = three_images / "plate" / "masks"
    for _ in range(2):
        batch = segment(three_images, inside, batch_model)
        assert [item.name for item in batch.items] == ["a", "plate/a", "plate/b"]
    batch = segment(
        [three_images, three_images / "plate" / "*", *three_images.iterdir()], inside, batch_model
    )
    assert len(batch.items) == 3
    assert len(segment(three_images, tmp_path / "elsewhere", batch_model).items) == 3
    for named in (three_images, three_images / "a.png"):
        with pytest.raises(ConfigError, match="lies in the output folder"):
            segment(named, three_images, batch_model)


def test_where_no_terminal_shows_a_bar_a_line_tells_how_far_it_is(
    three_images, batch_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("unet_hf.batch.progress.LINE_SECONDS", 0)
    segment(three_images, tmp_path / "out", batch_model)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"{n} of 3 images" for n in (1, 2, 3)]
    assert lines[0].endswith(" s left")
    segment(three_images, tmp_path / "out", batch_model)
    assert capsys.readouterr().err == "everything is segmented already\n"


def test_patterns_keep_the_folders_that_they_match(three_images, tmp_path):
    found = find_inputs([str(three_images / "**" / "*.*")], tmp_path / "out")
    assert [file.name for file in found] == ["a", "plate/a", "plate/b"]
    found = find_inputs([str(three_images / "pl*" / "b.tif")], tmp_path / "out")
    assert [file.name for file in found] == ["plate/b"]


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        (["nothing.png"], ImageNotFoundError, "no file or folder"),
        (["*.xyz"], ImageNotFoundError, "No file matches"),
        (["empty"], ImageNotFoundError, "There are no images in"),
        (["a.png", "plate/a.png"], ConfigError, "would both be written as a_mask.png"),
    ],
)
def test_inputs_that_are_not_clear_are_refused(named, error, words, three_images, tmp_path):
    (three_images / "empty").mkdir()
    with pytest.raises(error, match=words) as refused:
        find_inputs([str(three_images / name) for name in named], tmp_path / "out")
    assert all(name.strip("*") in str(refused.value) for name in named)


def test_a_file_of_somebody_else_is_not_written_over(three_images, batch_model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_mask.png").write_bytes(b"drawn by hand")
    with pytest.raises(ConfigError, match="was not written by this command"):
        segment(three_images, out, batch_model)
    assert [path.name for path in out.iterdir()] == ["a_mask.png"]
    segment(three_images, out, batch_model, overwrite=True)
    assert np.asarray(PIL.Image.open(out / "a_mask.png")).shape == (32, 32)

    other = draw(tmp_path / "other" / "a.png", seed=5)
    with pytest.raises(ConfigError, match="would be written over it"):
        segment(other, out, batch_model)
