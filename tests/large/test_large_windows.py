"""Images that are read by windows: pixel for pixel what `read_image` gives."""

import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from unet_hf import UNet, read_image
from unet_hf.errors import ImageError, ImageTooLargeError
from unet_hf.images.windows import LazyPixels, open_image


def drawn(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return random.normal(0, 3, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


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


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_resolutions_of_a_pyramid_with_their_pixel_sizes(compression, tmp_path):
    path, pixels = tmp_path / "slide.ome.tif", drawn(300, 800, 3)
    with tifffile.TiffWriter(path) as writer:
        size = {f"PhysicalSize{axis}": 0.25 for axis in "XY"}
        options = {"photometric": "rgb", "tile": (128, 128), "compression": compression}
        writer.write(pixels, subifds=1, metadata={"axes": "YXS", **size}, **options)
        writer.write(pixels[::2, ::4], subfiletype=1, **options)
    for level, shape, said, note in (
        (0, (300, 800), "0.25 µm", "the finest of 2 resolutions was taken"),
        (1, (150, 200), "1 x 0.5 µm", "resolution 1 of 2 (counted from 0, the finest) was taken"),
    ):
        assert_same_image(path, path, level=level)
        with open_image(path, level=level) as image:
            assert (image.height, image.width, str(image.pixel_size)) == (*shape, said)
            assert note in image.notes
    for source, asked, words in (
        (path, 2, r"no level 2: it has 2 .* Choose one from 0 to 1"),
        (pixels, 1, "Leave the level out"),
    ):
        with pytest.raises(ImageError, match=words):
            read_image(source, level=asked)
        with pytest.raises(ImageError, match=words), open_image(source, level=asked):
            pass


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
    with open_image(tmp_path / "ome.zarr", page=1, channel=2, level=1) as image:
        assert np.array_equal(image.pixels[0:45][..., 0], pixels[1, 2, ::2, ::2])

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
