"""Where results lie: on the whole file, on their plane of a stack, and on the Earth."""

import csv
import io
import json
import zipfile

import numpy as np
import pytest
import roifile
import tifffile
import torch

from unet_hf import UNet, read_image
from unet_hf.cli.main import main
from unet_hf.images.georeference import GEO_TAGS
from unet_hf.images.place import Place
from unet_hf.large import segment_large
from unet_hf.objects.outline_files import to_geojson, to_roi_zip


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    """A checkpoint whose class 1 is every pixel that is brighter than the image's mean."""
    torch.manual_seed(0)
    model = UNet(base_channels=1, depth=1, norm="none", id2label={"0": "ground", "1": "cell"})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.zero_()
            if name.endswith("weight") and parameter.ndim == 4 and parameter.shape[2] == 3:
                parameter[0, 0, 1, 1] = 1.0  # hands on its first channel
        model.head.weight[1, 0], model.head.bias[0] = 1.0, 0.1
    folder = tmp_path_factory.mktemp("bright")
    model.save_pretrained(folder)
    return UNet.from_pretrained(folder), folder


def square(shape: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """(H, W) uint8, bright in a rectangle of pixels."""
    pixels = np.zeros(shape, np.uint8)
    pixels[top:bottom, left:right] = 200
    return pixels


def write_pyramid(path, levels, **options) -> None:
    """Writes levels of a pyramid as SubIFDs; options are of the first directory."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(levels[0], subifds=len(levels) - 1, tile=(32, 32), **options)
        for level in levels[1:]:
            writer.write(level, subfiletype=1, tile=(32, 32))


def corners(objects) -> list[list[float]]:
    """The left, top, right and bottom edge of each outline in GeoJSON, and of each ROI."""
    rings = [f["geometry"]["coordinates"][0] for f in to_geojson(objects)["features"]]
    rings += [roi.coordinates() for roi in rois_of(objects)]
    return [[*np.min(ring, axis=0), *np.max(ring, axis=0)] for ring in rings]


def rois_of(objects) -> list[roifile.ImagejRoi]:
    archive = zipfile.ZipFile(io.BytesIO(to_roi_zip(objects)))
    return [roifile.ImagejRoi.frombytes(archive.read(name)) for name in archive.namelist()]


def test_outlines_and_tables_of_a_coarser_level_lie_on_the_finest(bright, tmp_path):
    """A square of 8 x 6 pixels in columns 10 to 17 and rows 4 to 9 of level 2, at a quarter."""
    model, folder = bright
    path = tmp_path / "slide.tif"
    levels = [square((128 // k, 160 // k), 16 // k, 40 // k, 40 // k, 72 // k) for k in (1, 2, 4)]
    write_pyramid(path, levels, resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    result = model.segment(path, level=2)
    assert result.mask.shape == (32, 40)
    objects = result.objects()
    assert corners(objects) == [[40, 16, 72, 40]] * 2
    (row,) = csv.DictReader(io.StringIO(objects.csv()))
    assert (row["level"], row["area_px"], row["area_um2"]) == ("2", "768", "192")
    assert (row["centroid_x_px"], row["centroid_y_px"], row["centroid_x_um"]) == ("56", "28", "28")
    edges = [row[f"{name}_px"] for name in ("left", "top", "right", "bottom")]
    assert edges == ["40", "16", "72", "40"]
    assert float(row["perimeter_px"]) == 4 * 24  # through the centres of pixels of level 2
    assert to_geojson(objects)["properties"]["level"] == 2
    assert rois_of(objects)[0].properties["level"] == 2

    out = tmp_path / "out"
    only = "outlines,objects,rois,classes"
    options = ["--model", str(folder), "--output", str(out), "--level", "2", "--only", only]
    assert main(["segment", str(path), *options]) == 0
    saved = result.save(tmp_path, only=only.split(","))
    for name in saved:
        written = out / f"slide_{saved[name].name}"
        assert written.read_bytes() == saved[name].read_bytes()

    finest = model.segment(path).objects()  # of one level, nothing is said of levels
    assert corners(finest) == corners(objects)
    assert "level" not in finest.table
    assert "properties" not in to_geojson(finest)


def test_factors_between_levels_need_not_be_whole_and_may_differ_by_axis(bright, tmp_path):
    """513 x 120 pixels whose level 1 has 257 x 60: x by 513 / 257, y by 2."""
    path = tmp_path / "odd.tif"
    write_pyramid(path, [square((120, 513), 40, 20, 80, 60), square((60, 257), 20, 10, 40, 257)])
    objects = bright[0].segment(path, level=1).objects()
    x = 513 / 257
    for box in corners(objects):
        assert box == pytest.approx([10 * x, 40, 513, 80], abs=1e-4)
    table = objects.table
    assert table["area_px"][0] == pytest.approx(20 * 247 * 2 * x)
    assert (table["top_px"][0], table["right_px"][0]) == (40, pytest.approx(513))
    assert table["centroid_x_px"][0] == pytest.approx(x * (10 + 257) / 2)


def test_a_level_of_ome_zarr_lies_on_the_finest_array(tmp_path):
    import zarr

    from unet_hf.images.windows import open_image

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    for level, shape in enumerate([(2, 100, 81), (2, 50, 41), (2, 25, 21)]):
        group.create_array(str(level), shape=shape, dtype="u1")
    axes = [{"name": "z"}, {"name": "y", "unit": "furlong"}, {"name": "x", "unit": "furlong"}]
    steps = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [1, 3, 3]}]}
        for k in range(3)
    ]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": steps}]
    with open_image(tmp_path / "a.zarr", level=2, page=1) as image:
        assert (image.place.level, image.place.scale) == (2, (81 / 21, 4))
        assert image.place.qupath_plane == {"c": -1, "z": 1, "t": 0}
        assert image.pixel_size is None
        words = "pixel size given as 3 'furlong' is not understood; pass pixel_size"
        assert words in image.notes


@pytest.mark.parametrize(
    ("axes", "shape", "page", "channel", "position", "hyperstack", "plane"),
    [
        ("TZCYX", (2, 3, 2, 9, 9), 5, 0, 11, (1, 3, 2), (0, 2, 1)),
        ("TZCYX", (2, 3, 2, 9, 9), 5, 1, 12, (2, 3, 2), (1, 2, 1)),
        ("TZCYX", (2, 3, 2, 9, 9), 5, None, 11, (0, 3, 2), (-1, 2, 1)),
        ("CZTYX", (2, 3, 2, 9, 9), 5, 0, 11, (1, 3, 2), (0, 2, 1)),
        ("CTZYX", (2, 2, 3, 9, 9), 5, 1, 12, (2, 3, 2), (1, 2, 1)),
        ("ZTYX", (3, 2, 9, 9), 1, None, 4, (1, 1, 2), (-1, 0, 1)),
        ("ZCYX", (3, 2, 9, 9), 2, 1, 6, (2, 3, 1), (1, 2, 0)),
        ("ZYX", (5, 9, 9), 3, None, 4, None, (-1, 3, 0)),
        ("TYXS", (5, 9, 9, 3), 3, 1, 4, None, (-1, 0, 3)),
        ("CYX", (5, 9, 9), 0, 3, 4, None, (3, 0, 0)),
        ("CYX", (5, 9, 9), 0, None, None, None, None),
        ("QCYX", (5, 2, 9, 9), 3, 1, 8, None, (1, 0, 0)),
        ("CQYX", (2, 5, 9, 9), 3, 1, 9, None, (1, 0, 0)),
        ("TZYX", (1, 5, 9, 9), 3, None, 4, None, (-1, 3, 0)),
        ("YX", (9, 9), 0, None, None, None, None),
    ],
)
def test_a_plane_has_its_place_in_imagej_and_qupath(
    axes, shape, page, channel, position, hyperstack, plane
):
    place = read_image(np.zeros(shape, np.uint8), axes=axes, page=page, channel=channel).place
    assert (place.position, place.hyperstack_position) == (position, hyperstack)
    assert place.qupath_plane == (plane and dict(zip("czt", plane, strict=True)))


def test_objects_of_a_hyperstack_are_on_their_plane(bright, tmp_path):
    """As ImageJ writes it: T2 Z3 C2, the object in t=2, z=3, c=1, which is slice 11 of 12."""
    path = tmp_path / "stack.tif"
    stack = np.zeros((2, 3, 2, 32, 32), np.uint8)
    stack[1, 2, 0] = square((32, 32), 8, 8, 20, 16)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZCYX"})
    objects = bright[0].segment(path, page=5, channel=0).objects()
    (roi,) = rois_of(objects)
    assert (roi.position, roi.c_position, roi.z_position, roi.t_position) == (11, 1, 3, 2)
    (feature,) = to_geojson(objects)["features"]
    assert feature["geometry"]["plane"] == {"c": 0, "z": 2, "t": 1}


def test_pages_of_unlike_sizes_and_of_animations_are_counted(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for size in (9, 8, 7):
            writer.write(np.zeros((size, size), np.uint8))
    assert read_image(tmp_path / "a.tif", page=2).place.position == 3
    assert read_image(tmp_path / "a.tif", page=2).place.qupath_plane is None
    assert Place().position is None


UTM = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
SCALE = (33550, "d", 3, (0.5, 0.25, 0.0), True)
TIE = (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True)
TEXT = (34737, "s", 0, "WGS 84 / UTM zone 33N|", True)


def keys(*values: int) -> tuple:
    return (34735, "H", len(values), values, True)


def geo_tags(path) -> dict[int, tuple]:
    with tifffile.TiffFile(path) as tiff:
        return {tag.code: tag.value for tag in tiff.pages[0].tags if tag.code in GEO_TAGS}


def test_every_tiff_lies_where_the_image_lies(bright, tmp_path):
    """Also of a coarser level, whose pixels are twice as large."""
    model, path = bright[0], tmp_path / "map.tif"
    fine, coarse = square((80, 64), 16, 8, 40, 24), square((40, 32), 8, 4, 20, 12)
    tags = [SCALE, TIE, keys(*UTM), (34736, "d", 1, (6378137.0,), True), TEXT]
    write_pyramid(path, [fine, coarse], extratags=tags)
    given = geo_tags(path)
    assert len(given) == 5
    only = ("classes", "probabilities", "uncertainty", "instances")
    for level, expected in ((0, given), (1, given | {33550: (1.0, 0.5, 0.0)})):
        saved = model.segment(path, level=level, tta=True).save(tmp_path, only=only)
        large = segment_large(
            model, path, tmp_path / "large", level=level, tta=True,
            outputs=("mask", "classes", "probabilities", "uncertainty"),
        )  # fmt: skip
        for file in (*saved.values(), *large.files.values()):
            assert geo_tags(file) == expected
    size = read_image(path, level=1).pixel_size
    assert (size.x, size.y, size.unit, size.source) == (1.0, 0.5, "m", "GeoTIFF")
    assert geo_tags(model.segment(fine).save(tmp_path, only=["classes"])["classes"]) == {}


def test_files_of_class_ids_mark_pixels_without_data(bright, tmp_path):
    """By 255. Elsewhere they are as in the result: no probability, and no object."""
    path, pixels = tmp_path / "map.tif", square((48, 40), 8, 8, 20, 20).astype(np.int16)
    pixels[30:] = -9999
    tags = [SCALE, TIE, keys(*UTM), (42113, "s", 0, "-9999", True)]
    tifffile.imwrite(path, pixels, extratags=tags)
    result = bright[0].segment(path, tta=True)
    saved = result.save(tmp_path, only=["classes", "probabilities", "uncertainty", "instances"])
    large = segment_large(
        bright[0], path, tmp_path / "large", outputs=("mask", "classes", "probabilities")
    )
    for name, file in (*saved.items(), *large.files.items()):
        with tifffile.TiffFile(file) as tiff:
            marked = name in ("classes", "mask")
            assert tiff.pages[0].tags.valueof(42113) == ("255" if marked else None)
            stored = tiff.asarray()
        if marked:
            assert np.array_equal(stored == 255, pixels == -9999)
    assert set(np.unique(tifffile.imread(saved["classes"]))) == {0, 1, 255}
    assert set(np.unique(result.mask)) == {0, 1}


@pytest.mark.parametrize(
    ("raster_type", "tie", "matrix"),
    [
        # Corners: the first corner stays. World = 5e5 + 0.5 x there, 5e5 + 1 x here.
        (1, (2.0, 4.0, 0, 7, 8, 0), (1.0, 0, 0, 5e5, 0, -1.0, 0, 4e6, *[0] * 7, 1)),
        # Centres: that of the first pixel is now at 0.5, 0.5 of the finest, 0.25 m further.
        (2, (1.75, 3.75, 0, 7, 8, 0), (1.0, 0, 0, 5e5 + 0.25, 0, -1.0, 0, 4e6 - 0.25, *[0] * 7, 1)),
    ],
)
def test_points_and_matrices_are_scaled_from_where_pixels_are_counted(
    tmp_path, raster_type, tie, matrix
):
    stored = (0.5, 0, 0, 5e5, 0, -0.5, 0, 4e6, *[0] * 7, 1)
    extra = [
        keys(1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, raster_type),
        (33922, "d", 6, (4.0, 8.0, 0.0, 7.0, 8.0, 0.0), True),
        (34264, "d", 16, tuple(map(float, stored)), True),
    ]
    path = tmp_path / "a.tif"
    write_pyramid(
        path, [np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)], extratags=extra
    )
    reference = read_image(path, level=1).place.georeference
    assert reference.value(33922) == tie
    assert reference.value(34264) == pytest.approx(matrix)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ((1024, 0, 1, 2), "pixel size in degrees is not used"),
        ((1024, 0, 1, 1, 3072, 0, 1, 3857), "Web Mercator's metres are not those on the ground"),
        ((1024, 0, 1, 1, 3072, 0, 1, 2263), "the unit of its coordinates (EPSG:2263) is not known"),
        ((1024, 0, 1, 1, 3072, 0, 1, 2263, 3076, 0, 1, 9001), None),
    ],
)
def test_a_pixel_size_on_the_ground_is_used_where_it_is_safe(tmp_path, own, said):
    path = tmp_path / "a.tif"
    extra = [SCALE, TIE, keys(1, 1, 0, len(own) // 4, *own)]
    options = {"resolution": (72, 72), "resolutionunit": "INCH"}
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), extratags=extra, **options)
    image = read_image(path)
    assert bool(image.pixel_size) == (said is None)
    assert said is None or any(f"georeferenced; {said}" in note for note in image.notes)


def test_damaged_tags_of_a_place_do_not_refuse_the_image(tmp_path):
    extra = [(33550, "d", 1, (2.0,), True), (34264, "d", 3, (1.0, 2.0, 3.0), True)]
    extra += [(33922, "d", 5, (0.0,) * 5, True), keys(1, 1, 0, 9)]
    levels = [np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)]
    write_pyramid(tmp_path / "a.tif", levels, extratags=extra)
    image = read_image(tmp_path / "a.tif", level=1)
    assert (image.place.georeference, image.pixel_size) == (None, None)


def test_an_image_that_is_turned_keeps_no_georeference(tmp_path):
    path = tmp_path / "a.tif"
    tags = [SCALE, TIE, keys(*UTM), (274, "H", 1, 6, True)]
    tifffile.imwrite(path, np.zeros((8, 6), np.uint8), extratags=tags)
    image = read_image(path)
    assert image.place.georeference is None
    assert "the georeference is left out, as the image was turned" in image.notes


def test_the_bundle_says_the_level_that_it_is_of(bright, tmp_path):
    from unet_hf.predict.bundle import Reproduction

    path = tmp_path / "a.tif"
    write_pyramid(path, [np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)])
    result = bright[0].segment(path, level=1)
    recipe = Reproduction("unet-isbi")
    assert "level=1" in recipe.python(result, result.objects())
    assert "--level 1" in recipe.command(result, result.objects())
    assert json.loads(json.dumps(result.summary()))["image"]["level"] == 1
