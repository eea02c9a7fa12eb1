"""Arrays, tensors, images of Pillow and what was read before are images like files."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch

from unet_hf import read_image
from unet_hf.errors import UnsupportedLayoutError

from ..support.stored_images import (
    ALPHA,
    BITS,
    CMYK,
    GRAY,
    GRAY16,
    NOISE,
    PALETTE,
    RGB,
    RGB16,
    STACK,
    YCBCR,
    check,
    save_all,
)

pytestmark = pytest.mark.filterwarnings("error")


def test_a_channel_of_arrays_and_of_what_was_read_before():
    stack = np.arange(2 * 5 * 6 * 7, dtype=np.uint16).reshape(2, 5, 6, 7)
    image = read_image(stack, axes="ZCYX", page=1, channel=3)
    check(image, stack[1, 3])
    check(read_image(read_image(RGB), channel=2), RGB[..., 2])
    assert read_image(GRAY, channel=0).channel is None  # there are no others
    with pytest.raises(UnsupportedLayoutError, match="channel=3 cannot be chosen any more"):
        read_image(image, channel=3)  # it was picked already


STRIDED = [GRAY16.T, RGB[::-1, ::2], NOISE[..., :2], np.asfortranarray(RGB16)]


@pytest.mark.parametrize("array", [GRAY, RGB, BITS, GRAY16.astype(">u2"), *STRIDED])
def test_arrays(array: np.ndarray):
    image = read_image(array)
    check(image, array.astype(array.dtype.newbyteorder("=")))
    assert image.axes == ("YX" if array.ndim == 2 else "YXS")
    assert bool(image.notes) == (array.ndim == 3)


MODES = {
    "1": (BITS,), "L": (GRAY,), "I;16": (GRAY16,), "I": (GRAY16.astype(np.int32) * 9,),
    "F": (GRAY / np.float32(7),), "RGB": (RGB,), "P": (None, PALETTE), "PA": (None, PALETTE),
    "CMYK": (None, CMYK), "YCbCr": (None, YCBCR), "HSV": (None, "HSV turned into RGB"),
    "LA": (GRAY, ALPHA), "RGBA": (RGB, ALPHA), "RGBX": (RGB, ALPHA),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_pillow_images_of_every_mode(mode: str):
    pixels, *notes = MODES[mode]
    source = PIL.Image.fromarray(RGB if pixels is None else pixels)
    source = source if source.mode == mode else source.convert(mode)
    image = read_image(source)
    check(image, np.asarray(source.convert("RGB")) if pixels is None else pixels)
    assert (image.source, image.format, image.notes) == ("PIL image", "PIL", tuple(notes))


def test_a_pillow_animation_stays_at_the_frame_it_showed(tmp_path: Path):
    save_all(tmp_path / "a.gif")
    with PIL.Image.open(tmp_path / "a.gif") as animation:
        animation.seek(1)
        check(read_image(animation, page=2), np.stack([STACK[0, 2, 0]] * 3, axis=2))
        assert animation.tell() == 1


def test_what_is_masked_in_an_array_is_no_silence():
    check(read_image(np.ma.array(GRAY)), GRAY)
    masked = np.ma.masked_less(GRAY, np.median(GRAY))
    with pytest.raises(UnsupportedLayoutError, match=f"masked, at {masked.mask.sum()} of its"):
        read_image(masked)
    filled = read_image(masked.astype(float).filled(np.nan))
    assert filled.valid is not None and np.array_equal(filled.valid, ~masked.mask)


def test_tensors_are_arrays_and_those_numpy_cannot_take_say_what_to_do():
    check(read_image(torch.tensor(GRAY.astype(np.int32))), GRAY.astype(np.int32))
    for tensor in (torch.zeros(9, 9, requires_grad=True), torch.zeros(9, 9, dtype=torch.bfloat16)):
        with pytest.raises(UnsupportedLayoutError, match=r"detach\(\)\.cpu\(\)\.float\(\)"):
            read_image(tensor)


@pytest.mark.parametrize("page", [True, 1.0, "1", -1, 2])
def test_a_page_is_a_whole_number_within_the_stack(page):
    with pytest.raises(UnsupportedLayoutError, match="Choose a page from 0 to 1"):
        read_image(np.stack([GRAY, GRAY]), axes="ZYX", page=page)


def test_image_data_is_returned_as_it_is():
    image = read_image(GRAY)
    assert read_image(image) is image


ASKED_TOO_LATE = [{"page": 1}, {"axes": "CYX"}, {"level": 2}, {"channel": 0}, {"page": -1}]


@pytest.mark.parametrize("options", ASKED_TOO_LATE)
def test_what_an_image_that_was_read_cannot_be_asked_for_is_no_silence(options, tmp_path):
    from unet_hf import UNet
    from unet_hf.large import segment_large

    image = read_image(np.stack([RGB, RGB]), axes="ZYXC", page=0, channel=2)
    model = UNet(base_channels=1, depth=1).eval()
    (name, value) = next(iter(options.items()))
    calls = [
        lambda: read_image(image, **options),
        lambda: segment_large(model, image, tmp_path / "out", **options),
    ]
    if name != "level":  # `segment` has no such option
        calls.append(lambda: model.segment(image, **options))
    for call in calls:
        with pytest.raises(UnsupportedLayoutError, match=f"{name}={value!r} cannot be chosen"):
            call()


def test_what_an_image_was_read_with_may_be_said_again():
    image = read_image(np.stack([RGB, GRAY[..., None].repeat(3, 2)]), axes="ZYXC", page=1)
    assert read_image(image, page=1, axes="zyxc") is image
    check(read_image(image, page=1, channel=2), GRAY)
