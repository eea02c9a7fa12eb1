"""The size of a pixel: read where a microscope wrote it, not where a printer did."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tifffile

from unet_hf import read_image
from unet_hf.errors import ConfigError
from unet_hf.images.pixel_size import MICROMETERS, PixelSize
from unet_hf.images.tiff_pixel_size import read_pixel_size

PIXELS = np.zeros((6, 8), np.uint16)


def size_of(path) -> tuple | None:
    size = read_image(path).pixel_size
    return size and (pytest.approx(size.x), pytest.approx(size.y), size.unit, size.source)


def write_imagej(path, unit: str, resolution=(4, 2), more: str = "") -> None:
    """Writes the description as bytes, as ImageJ's own may hold any letter."""
    text = f"ImageJ=1.54f\nunit={unit}\n{more}".encode()
    tags = [(270, "s", 0, text, True)]
    tifffile.imwrite(path, PIXELS, metadata=None, extratags=tags, resolution=resolution)


@pytest.mark.parametrize(
    ("unit", "x", "shown"),
    [
        *((unit, 0.25, "µm") for unit in (
            "micron", "microns", "um", "Micrometer", "micrometers", "micrometres", "\\u00B5m", "µm",
            "µm/pixel",
        )),
        ("nanometers", 0.25, "nm"), ("Angstroms", 0.25, "Å"), ("mm", 0.25, "mm"),
        ("centimeters", 0.25, "cm"), ("meters", 0.25, "m"), ("inch", 0.25, "inch"),
        ("inches", 0.25, "inch"), ("km", 250, "m"), ("dm", 2.5, "cm"),
    ],
)  # fmt: skip
def test_imagej_says_it_with_resolution_and_unit(tmp_path, unit, x, shown):
    write_imagej(tmp_path / "a.tif", unit)
    assert size_of(tmp_path / "a.tif") == (x, 2 * x, shown, "ImageJ")


def test_imagej_may_have_another_unit_for_y(tmp_path):
    write_imagej(tmp_path / "a.tif", "um", more="yunit=nm\n")
    assert size_of(tmp_path / "a.tif") == (0.25, 0.0005, "µm", "ImageJ")


def test_a_unit_that_is_not_understood_is_said_with_what_to_do(tmp_path):
    write_imagej(tmp_path / "a.tif", "furlong", resolution=(4, 4))
    frame = {f"PhysicalSize{axis}Unit": "reference frame" for axis in "XY"}
    sizes = {"PhysicalSizeX": 3, "PhysicalSizeY": 2}
    tifffile.imwrite(tmp_path / "b.ome.tif", PIXELS, metadata={"axes": "YX", **sizes, **frame})
    for name, seen in (("a.tif", "0.25 'furlong'"), ("b.ome.tif", "3 x 2 'reference frame'")):
        image = read_image(tmp_path / name)
        note = f"pixel size given as {seen} is not understood; pass pixel_size"
        assert image.pixel_size is None
        assert note in image.notes


def test_ome_says_it_for_each_image_with_a_unit_or_in_micrometres(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2}
        writer.write(PIXELS, metadata={"axes": "YX", **sizes})
        units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "µm"}
        writer.write(PIXELS[:4], metadata={"axes": "YX", **sizes, **units})
    assert size_of(path) == (0.1, 0.2, "µm", "OME")
    second = read_image(path, page=1)
    assert second.height == 4
    assert second.pixel_size == PixelSize(0.1, pytest.approx(200), "nm", "OME")


@pytest.mark.parametrize(
    ("unit", "micrometers"),
    [
        ("fm", 1e-9), ("pm", 1e-6), ("Å", 1e-4), ("nm", 1e-3), ("µm", 1), ("mm", 1e3), ("cm", 1e4),
        ("dm", 1e5), ("m", 1e6), ("km", 1e9), ("Mm", 1e12), ("Pm", 1e21), ("thou", 25.4),
        ("in", 25_400), ("ft", 304_800), ("yd", 914_400), ("pt", 25_400 / 72), ("li", 25_400 / 12),
    ],
)  # fmt: skip
def test_ome_may_use_any_unit_of_length(unit, micrometers):
    size = PixelSize.from_units(2, 4, unit)
    assert size.x * MICROMETERS[size.unit] == pytest.approx(2 * micrometers)
    assert size.y == 2 * size.x


def test_a_slide_of_aperio_says_micrometres_per_pixel_and_levels_are_larger(tmp_path):
    path, pixels = tmp_path / "a.svs", np.zeros((256, 256, 3), np.uint8)
    text = "Aperio Image Library v11.2.1 \n256x256 -> 256x256|AppMag = 20|MPP = {} |Left = 2"
    with tifffile.TiffWriter(path) as writer:
        options = {"metadata": None, "tile": (64, 64), "photometric": "rgb"}
        writer.write(pixels, description=text.format("0.4990"), **options)
        writer.write(pixels[::4, ::4], description=text.format("0.4990"), metadata=None)
        writer.write(pixels[::2, ::2], description=text.format("9"), **options)
    assert size_of(path) == (0.499, 0.499, "µm", "SVS")
    assert read_image(path, level=1).pixel_size.x == pytest.approx(0.998)


def test_an_lsm_says_it_in_metres(tmp_path):
    """tifffile writes no LSM, so what it reads of one is put in its place."""
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="minisblack")
    sizes = {"VoxelSizeX": 2e-07, "VoxelSizeY": 4e-07, "VoxelSizeZ": 1e-06}
    flags = {"is_ome": False, "is_svs": False, "is_imagej": False, "is_lsm": True}
    lsm = SimpleNamespace(**flags, lsm_metadata=sizes)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        size, notes = read_pixel_size(lsm, tiff.pages[0])
        assert (size, notes) == (PixelSize(0.2, 0.4, "µm", "LSM"), [])
        assert read_pixel_size(lsm, tiff.pages[0], series=1) == (None, [])  # the thumbnails


@pytest.mark.parametrize(("unit", "scale"), [("CENTIMETER", 1e4), ("INCH", 25_400)])
def test_plain_resolution_tags_count_where_they_are_finer_than_print(tmp_path, unit, scale):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, resolution=(scale / 0.5, scale / 0.5), resolutionunit=unit)
    assert size_of(path) == (0.5, 0.5, "µm", "resolution tags")
    assert not any("dpi" in note for note in read_image(path).notes)


@pytest.mark.parametrize("dpi", [72, 96, 300, 600, 1200, 4800])
def test_a_printers_resolution_is_not_taken_for_a_microscopes_and_that_is_said(tmp_path, dpi):
    for name, options in (
        ("inch.tif", {"resolution": (dpi, dpi), "resolutionunit": "INCH"}),
        ("cm.tif", {"resolution": (dpi / 2.54, dpi / 2.54), "resolutionunit": "CENTIMETER"}),
        ("imagej.tif", {"resolution": (dpi, dpi), "imagej": True, "metadata": {"unit": "inch"}}),
    ):
        tifffile.imwrite(tmp_path / name, PIXELS, **options)
        image = read_image(tmp_path / name)
        assert image.pixel_size is None
        assert any(f"{dpi} dpi is a resolution for print" in note for note in image.notes)


def test_what_says_nothing_is_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", PIXELS)
    tifffile.imwrite(tmp_path / "pixels.tif", PIXELS, imagej=True, metadata={"unit": "pixel"})
    tifffile.imwrite(tmp_path / "none.tif", PIXELS, resolution=(9e4, 9e4), resolutionunit="NONE")
    tifffile.imwrite(tmp_path / "zero.tif", PIXELS, resolution=(0, 0), resolutionunit="INCH")
    PIL.Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "a.png", dpi=(99999, 99999))
    for path in tmp_path.iterdir():
        image = read_image(path)
        assert image.pixel_size is None
        assert not any("dpi" in note for note in image.notes)
    assert read_image(PIXELS).summary()["pixel_size"] is None


def test_metadata_that_cannot_be_read_does_not_refuse_the_image(tmp_path):
    for number, xml in enumerate(
        ('<OME xmlns="x"><Image><Pixels', '<OME xmlns="x"><Pixels PhysicalSizeX="wide"/></OME>')
    ):
        path = tmp_path / f"{number}.ome.tif"
        tifffile.imwrite(path, PIXELS, description=xml, metadata=None)
        assert read_image(path).pixel_size is None


def test_an_image_on_its_side_has_its_pixels_on_their_side(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        PIXELS,
        resolution=(40_000, 20_000),
        resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, 6)],
    )
    assert read_image(path).height == 8
    assert size_of(path) == (0.5, 0.25, "µm", "resolution tags")


def test_people_give_it_in_several_ways():
    quarter = PixelSize(0.25, 0.25, "µm")
    for given in ((0.25, "µm"), (0.25, "micron"), "0.25 um", "0.25 0.25 µm", quarter):
        assert PixelSize.of(given) == quarter
    assert PixelSize.of(None) is None
    assert str(PixelSize.of((0.1, 0.2, "nm"))) == "0.1 x 0.2 nm"


@pytest.mark.parametrize(
    "given", [(-1, "um"), (float("nan"), "um"), (1,), (1, 2, 3, "um"), "um", 0.25, "1 mile", ""]
)
def test_what_is_no_size_is_refused_with_an_example(given):
    with pytest.raises(ConfigError, match=r"is not a size with its unit.*\(0\.25, 'µm'\)"):
        PixelSize.of(given)
