"""The line under the picture: what is known of it, and how its result was made."""

from unet_hf import Segmentation
from unet_hf.images.image_data import ImageData

from ..server.errors_in_words import without_python


def facts_of_image(image: ImageData) -> str:
    channels = f"{image.channels} channel{'s' if image.channels > 1 else ''}"
    text = f"{image.width} × {image.height} px · {channels} · {image.dtype}"
    return " · ".join([text, *map(without_python, image.notes), *_drawn_so(image)])


def _drawn_so(image: ImageData) -> list[str]:
    """Which channels the picture shows, where it is not all of them."""
    if image.channel is not None:
        return ["the network is shown this channel alone, as a gray image"]
    if not image.is_rgb and image.channels == 2:
        return ["drawn here: channel 0"]
    if not image.is_rgb and image.channels > 2:
        return ["drawn here: channels 0, 1 and 2 as red, green and blue"]
    return []


def facts_of(result: Segmentation) -> str:
    """Size, time, device, and what was inferred."""
    tiles = f" · {result.tiles} tiles" if result.tiles > 1 else ""
    kind = result.device.partition(":")[0]  # "cuda:1" is a GPU, too
    device = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get(kind, result.device)
    text = (
        f"{result.image.width} × {result.image.height} px · {result.image.dtype} · "
        f"**{result.seconds:.2f} s** on {device}, {result.precision}{tiles}"
    )
    return " · ".join([text, *map(without_python, result.notes), *_drawn_so(result.image)])
