"""What is a page of a TIFF and what only stands beside it; what is a value and what a display."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from demo.segment.page_and_channel import show_place
from demo.server.predictions import read_upload
from demo.truth import label_image
from unet_hf import UNet, read_image
from unet_hf.batch.inputs import pages_of
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.run import segment_files
from unet_hf.data.stored_masks import read_mask
from unet_hf.images.windows import open_image

RANDOM = np.random.default_rng(0)
FULL = RANDOM.integers(0, 200, (64, 80), dtype=np.uint8)
COLOUR = np.stack([FULL, FULL // 2, FULL // 3], axis=-1)
IMAGEJ = {"description": "ImageJ=1.54f\nmin=10.0\nmax=90.0\n", "metadata": None}
LUT = np.zeros((3, 256), np.uint16)
LUT[1] = np.arange(256) * 257
APERIO = "Aperio Image Library v11\n"
Write = Callable[[tifffile.TiffWriter], None]


def thumbnail_first(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL[::4, ::4], subfiletype=1, metadata=None)
    tiff.write(FULL, metadata=None)


def picture_in_a_subifd(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL[::4, ::4], subfiletype=1, subifds=1, metadata=None)
    tiff.write(FULL, metadata=None)


def picture_in_a_subifd_of_an_unnamed_thumbnail(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL[::4, ::4], subifds=1, metadata=None)
    tiff.write(FULL, metadata=None)


def coarsest_resolution_first(tiff: tifffile.TiffWriter) -> None:
    for step in (4, 2, 1):
        options = {"subfiletype": int(step > 1), "tile": (16, 16), "metadata": None}
        tiff.write(FULL[::step, ::step], **options)


def reduced_by_an_odd_factor(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL, metadata=None)
    tiff.write(FULL[:30, :37], subfiletype=1, metadata=None)


def macro_wider_than_the_picture(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL, metadata=None)
    tiff.write(np.zeros((20, 200), np.uint8), subfiletype=9, metadata=None)


def mask_inside_as_gdal_writes_it(tiff: tifffile.TiffWriter) -> None:
    tiff.write(FULL, metadata=None)
    tiff.write(FULL > 9, subfiletype=4, metadata=None)


def cloud_optimized(tiff: tifffile.TiffWriter) -> None:
    options = {"tile": (16, 16), "metadata": None}
    tiff.write(FULL, **options)
    tiff.write(FULL[::2, ::2], subfiletype=1, **options)
    tiff.write(FULL > 9, subfiletype=4, **options)
    tiff.write(FULL[::2, ::2] > 9, subfiletype=5, **options)


def slide(tiff: tifffile.TiffWriter) -> None:
    options = {"photometric": "rgb", "metadata": None}
    tiff.write(COLOUR, tile=(16, 16), description=APERIO + "80x64", **options)
    tiff.write(COLOUR[::4, ::4], description=APERIO + "80x64 -> 20x16", **options)
    tiff.write(COLOUR[::2, ::2], tile=(16, 16), description=APERIO + "40x32", **options)
    tiff.write(COLOUR[:20, :30], subfiletype=1, description=APERIO + "label 30x20", **options)
    tiff.write(COLOUR[:20, :50], subfiletype=9, description=APERIO + "macro 50x20", **options)


def slide_in_strips(tiff: tifffile.TiffWriter) -> None:
    options = {"photometric": "rgb", "metadata": None}
    tiff.write(COLOUR, description=APERIO + "80x64", **options)
    tiff.write(COLOUR[:20, :30], description=APERIO + "label 30x20", **options)


def slide_of_hamamatsu(tiff: tifffile.TiffWriter) -> None:
    for pixels, magnification in ((COLOUR, 20), (COLOUR[:20, :50], -1), (COLOUR[:9, :50], -2)):
        tags = [(65420, "I", 1, 1, True), (65421, "f", 1, magnification, True)]
        tags.append((271, "s", 0, "Hamamatsu", True))
        tiff.write(pixels, photometric="rgb", metadata=None, extratags=tags)


def named_in_ome(tiff: tifffile.TiffWriter) -> None:
    for pixels, name in ((FULL, "a.scn"), (FULL[:9], "Label"), (FULL[:9, :9], "a [macro image]")):
        tiff.write(pixels, metadata={"axes": "YX", "Name": name})


ONE_PAGE = {
    thumbnail_first: "reduced copy",
    picture_in_a_subifd: "reduced copy",
    picture_in_a_subifd_of_an_unnamed_thumbnail: "thumbnail",
    coarsest_resolution_first: "reduced copy",
    reduced_by_an_odd_factor: "reduced copy",
    macro_wider_than_the_picture: "reduced copy",
    mask_inside_as_gdal_writes_it: "mask",
    cloud_optimized: "mask",
    slide: "label, macro, thumbnail",
    slide_in_strips: "label",
    slide_of_hamamatsu: "macro, map",
    named_in_ome: "label, macro",
}


def written(path: Path, write: Write, **options: bool) -> Path:
    with tifffile.TiffWriter(path, ome="ome" in write.__name__, **options) as tiff:
        write(tiff)
    return path


@pytest.mark.parametrize("options", [{}, {"bigtiff": True, "byteorder": ">"}], ids=["", "big"])
@pytest.mark.parametrize("write", ONE_PAGE, ids=lambda write: write.__name__)
def test_what_says_that_it_is_something_else_is_no_page(
    write: Write, options: dict, tmp_path: Path
):
    path = written(tmp_path / "a.tif", write, **options)
    image = read_image(path)
    expected = FULL[..., None] if image.channels == 1 else COLOUR
    assert image.pages == pages_of(path, None) == 1
    assert np.array_equal(image.pixels, expected)
    assert f"not taken for pages: {ONE_PAGE[write]}" in image.notes
    with open_image(path) as windows:
        assert (windows.pages, windows.notes) == (1, image.notes)
        assert np.array_equal(windows.pixels[0:64], expected)


def test_a_mask_is_read_by_the_same_rule(tmp_path: Path):
    path = written(tmp_path / "a.tif", thumbnail_first)
    assert np.array_equal(read_mask(path.read_bytes()).values, FULL)


def test_the_resolutions_of_a_slide_stay(tmp_path: Path):
    half = COLOUR[::2, ::2]
    assert np.array_equal(read_image(written(tmp_path / "a.svs", slide), level=1).pixels, half)
    path = written(tmp_path / "b.tif", cloud_optimized)
    assert np.array_equal(read_image(path, level=1).pixels[..., 0], FULL[::2, ::2])


def test_real_pages_stay_whatever_their_sizes(tmp_path: Path):
    pages = [FULL, FULL[:32, :40], FULL[:30, :30], FULL[:32, :40] // 2]
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as tiff:
        for page in pages:
            tiff.write(page, metadata=None)
    with tifffile.TiffWriter(tmp_path / "fax.tif") as tiff:
        for page in pages:
            tiff.write(page, subfiletype=2, metadata=None)
    with tifffile.TiffWriter(tmp_path / "labels.ome.tif", ome=True) as tiff:
        for page, name in zip(pages, ("label", "Macrophages", "label-free", "a map"), strict=True):
            tiff.write(page, metadata={"axes": "YX", "Name": name})
    for name in ("sizes.tif", "fax.tif", "labels.ome.tif"):
        for number, page in enumerate(pages):
            image = read_image(tmp_path / name, page=number)
            assert image.pages == pages_of(tmp_path / name, None) == 4
            assert np.array_equal(image.pixels[..., 0], page)


@pytest.mark.parametrize("subfile_type", [1, 4])
def test_a_file_of_nothing_else_gives_what_it_has(subfile_type: int, tmp_path: Path):
    pixels = FULL > 9 if subfile_type == 4 else FULL
    tifffile.imwrite(tmp_path / "a.tif", pixels, subfiletype=subfile_type, metadata=None)
    image = read_image(tmp_path / "a.tif")
    assert np.array_equal(image.pixels[..., 0], pixels) and image.notes == ()


def test_an_lsm_file_has_a_thumbnail_for_each_page_which_is_none(tmp_path: Path):
    pages = np.stack([FULL, FULL // 2, FULL // 3])
    info = np.zeros(600, np.uint8)
    fields = info.view("<i4")
    fields[[0, 1, 2, 3, 4, 5, 6, 7]] = 0x0400494C, 600, 80, 64, 3, 1, 1, 1
    with tifffile.TiffWriter(tmp_path / "a.lsm") as tiff:
        for page in pages:
            tags = [(34412, "B", 600, info.tobytes(), True)]
            tiff.write(page, metadata=None, extratags=tags)
            tiff.write(COLOUR[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    images = [read_image(tmp_path / "a.lsm", page=number) for number in range(3)]
    assert [image.pages for image in images] == [3, 3, 3]
    assert np.array_equal(np.stack([image.pixels[..., 0] for image in images]), pages)
    assert "not taken for pages: thumbnail" in images[0].notes


def test_the_demo_and_a_batch_have_as_many_pages(tiny: str, tmp_path: Path):
    path = written(tmp_path / "a.tif", mask_inside_as_gdal_writes_it)
    assert show_place(read_upload(str(path)))["pages"] == 1
    segment_files([str(path)], tmp_path / "out", BatchOptions(tiny, outputs=("mask",)))
    rows = (tmp_path / "out" / "results.csv").read_text("utf-8").splitlines()
    assert len(rows) == 2  # the names of the columns, and one image


SHOWN = "the look-up table of {} is for display: the stored values were taken"
STACK = np.stack([FULL, FULL // 2])
VALUES = {
    "8 bits, inverting": (FULL, {"photometric": "miniswhite", **IMAGEJ}),
    "16 bits, inverting": (FULL.astype("u2") * 9, {"photometric": "miniswhite", **IMAGEJ}),
    "big-endian, inverting": (
        FULL.astype(">u2"),
        {"photometric": "miniswhite", "byteorder": ">", "bigtiff": True, **IMAGEJ},
    ),
    "1 bit, inverting": (FULL > 9, {"photometric": "miniswhite", **IMAGEJ}),
    "green": (FULL, {"photometric": "palette", "colormap": LUT, **IMAGEJ}),
    "green, packed": (
        FULL,
        {"photometric": "palette", "colormap": LUT, "compression": "zlib", **IMAGEJ},
    ),
    "16 bits, palette": (
        FULL.astype("u2") * 9,
        {"photometric": "palette", "colormap": np.zeros((3, 65536), np.uint16), **IMAGEJ},
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_look_up_tables_of_imagej_leave_values_as_they_are(name: str, tmp_path: Path):
    pixels, options = VALUES[name]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, **options)
    image = read_image(path)
    assert image.dtype == pixels.dtype.newbyteorder("=") and image.axes == "YX"
    assert np.array_equal(image.pixels[..., 0], pixels)
    assert image.notes == (SHOWN.format("ImageJ"),)
    with open_image(path) as windows:
        assert np.array_equal(windows.pixels[0:64], image.pixels)
        assert windows.notes == image.notes
    mask = read_mask(path.read_bytes())
    assert np.array_equal(mask.values, pixels) and mask.palette is None


@pytest.mark.parametrize("kind", ["ImageJ", "OME-TIFF"])
def test_each_channel_of_a_stack_with_a_look_up_table_is_read(kind: str, tmp_path: Path):
    path = tmp_path / ("a.ome.tif" if kind == "OME-TIFF" else "a.tif")
    options = {"photometric": "palette", "colormap": LUT, "metadata": {"axes": "CYX"}}
    if kind == "ImageJ":
        options = {"imagej": True, "colormap": LUT, "metadata": {"axes": "CYX"}}
    tifffile.imwrite(path, STACK, **options)
    image = read_image(path)
    assert np.array_equal(image.pixels, STACK.transpose(1, 2, 0))
    assert SHOWN.format(kind) in image.notes and not image.is_rgb
    assert np.array_equal(read_image(path, channel=1).pixels[..., 0], STACK[1])


def test_colours_of_imagej_are_colours(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, imagej=True, photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    assert image.is_rgb and np.array_equal(image.pixels, COLOUR) and image.notes == ()


def test_without_its_description_a_palette_holds_colours_and_a_fax_is_inverted(tmp_path: Path):
    options = {"photometric": "palette", "colormap": LUT, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", FULL, **options)
    tifffile.imwrite(tmp_path / "b.tif", FULL, photometric="miniswhite", metadata=None)
    zero = np.zeros_like(FULL)
    colours = np.stack([zero, FULL, zero], axis=-1)
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, colours)
    assert np.array_equal(read_image(tmp_path / "b.tif").pixels[..., 0], 255 - FULL)
    mask = read_mask((tmp_path / "a.tif").read_bytes())
    assert np.array_equal(mask.values, FULL) and mask.palette[9] == (0, 9, 0)


def test_an_inverted_mask_of_imagej_is_the_truth_of_the_page(tmp_path: Path):
    mask = np.where(FULL > 150, 255, 0).astype(np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="miniswhite", **IMAGEJ)
    assert np.array_equal(label_image._read(tmp_path / "mask.tif").values, mask)


def test_a_network_sees_the_values_and_not_the_look_up_table(tmp_path: Path):
    tifffile.imwrite(tmp_path / "plain.tif", FULL, **IMAGEJ)
    options = {"photometric": "palette", "colormap": LUT, **IMAGEJ}
    tifffile.imwrite(tmp_path / "green.tif", FULL, **options)
    model = UNet(1, base_channels=2, depth=1)
    plain, green = (model.segment(tmp_path / f"{name}.tif") for name in ("plain", "green"))
    assert np.array_equal(plain.probabilities, green.probabilities)
