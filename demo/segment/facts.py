"""The line under the picture: what is known of it, and how its result was made."""

from unet_hf import Segmentation
from unet_hf.images.image_data import ImageData

from ..server.errors_in_words import without_python


def facts_of_image(image: ImageData) -> str:
    channels = f"{image.channels} channel{'s' if image.channels > 1 else ''}"
    text = f"{image.width} × {image.height} px · {channels} · {image.dtype}"
    seen_so = []
    if image.channel is not None:
        seen_so = ["the network is shown this channel alone, as a gray image"]
    elif not image.is_rgb and image.channels == 2:
        seen_so = ["drawn here: channel 0"]
    elif not image.is_rgb and image.channels > 2:
        seen_so = ["drawn here: channels 0, 1 and 2 as red, green and blue"]
    return " · ".join([text, *map(without_python, image.notes), *seen_so])


def facts_of(result: Segmentation) -> str:
    """Size, time, device, and what was inferred."""
    tiles = f" · {result.tiles} tiles" if result.tiles > 1 else ""
    kind = result.device.partition(":")[0]  # "cuda:1" is a GPU, too
    device = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get(kind, result.device)
    text = (
        f"{result.image.width} × {result.image.height} px · {result.image.dtype} · "
        f"**{result.seconds:.2f} s** on {device}, {result.precision}{tiles}"
    )
    return " · ".join([text, *map(without_python, result.notes)])
