"""The size of a pixel: read where a microscope wrote it, not where a printer did."""

import numpy as np
import PIL.Image
import pytest
import tifffile

from unet_hf import read_image
from unet_hf.errors import ConfigError
from unet_hf.images.pixel_size import PixelSize

PIXELS = np.zeros((6, 8), np.uint16)


def size_of(path) -> tuple | None:
    size = read_image(path).pixel_size
    return size and (pytest.approx(size.x), pytest.approx(size.y), size.unit, size.source)


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m"])
def test_imagej_says_it_with_resolution_and_unit(tmp_path, unit):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, PIXELS, imagej=True, resolution=(4, 2), metadata={"unit": unit, "axes": "YX"}
    )
    assert size_of(path) == (0.25, 0.5, "µm", "ImageJ")


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
        if name != "imagej.tif":  # whose unit of the tags is none
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
