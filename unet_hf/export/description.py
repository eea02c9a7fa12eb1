"""What an exported file says about itself: in its metadata, and in a text beside it."""

import html
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..hub.describe import describe_checkpoint
from ..hub.records import checkpoint_hashes
from ..network.configuration import DEFAULT_SEED
from ..objects.learned import BORDER_DEPTH, prominence
from ..unet import UNet
from .mirroring import Mirroring

LOGIT = "logit of "
# What the maps of objects hold, see `Network.object_channels`.
MEANINGS = {
    "distance": "how far the pixel is from the edge of its own object, divided by the largest such "
    "distance in the object: 1 at its deepest, 0 at the edge and outside",
    "centre": "1 at the object's centroid, 0 at its farthest pixel and outside",
    "border": f"{LOGIT}the probability that two objects are at most 2.5 px away",
}
SCALE = "uint8 / 255, uint16 / 65535, floats as they are"


def describe_export(model: "UNet", checkpoint: Path) -> dict[str, Any]:
    """Everything that is needed to use the network without this package, as JSON.

    checkpoint: A folder with the model as `save_checkpoint` writes it.

    Keys: unet_hf (its version); source, commit and license of the weights, None where unknown,
    and the SHA-256 of config.json and model.safetensors; classes ({"0": name}), colors (by id),
    threshold and mask (how classes follow from probabilities); channels, scale, outliers,
    normalization, mean and std (how pixels become the input); multiple, halo and tile_size (how
    large images are cut into windows, see `mirroring`). With maps of objects also object_maps
    ({name: meaning}, in their order), objects (the configuration's method, seed and min_size) and
    object_rule (how objects follow from the maps).
    """
    from ..version import __version__

    hashes = checkpoint_hashes(checkpoint)
    origin = model.origin
    if origin and not _is_of(hashes, origin.folder):
        origin = None  # it was trained on since
    rule = Mirroring.of(model.geometry)
    return {
        "unet_hf": __version__,
        "source": source_name(model) if origin else None,
        "commit": origin.commit if origin else None,
        "license": describe_checkpoint(model, checkpoint)["licence"],
        **hashes,
        "classes": dict(model.config["id2label"]),
        "colors": list(model.config["colors"]),
        "threshold": model.threshold,
        "mask": mask_rule(model),
        "scale": SCALE,
        **asdict(model.preprocessing),
        "multiple": rule.multiple,
        "halo": rule.halo,
        "tile_size": model.config["tile_size"],
    } | (describe_objects(model) if model.object_channels else {})


def source_name(model: "UNet") -> str | None:
    """What the weights were loaded as, without the folders of this machine; None if they were
    not."""
    origin = model.origin
    return (origin.hub_id or Path(origin.source).name) if origin else None


def describe_objects(model: "UNet", logits: bool = True) -> dict[str, Any]:
    """logits: Whether the map "border" holds logits, as the network gives them."""
    recipe = model.config.get("objects", {})
    meanings = MEANINGS if logits else MEANINGS | {"border": MEANINGS["border"][len(LOGIT) :]}
    return {
        "object_maps": {name: meanings[name] for name in model.object_channels},
        "objects": recipe,
        "object_rule": object_rule(model.object_channels, recipe, model.walled, logits),
    }


def object_rule(
    channels: Sequence[str], recipe: dict[str, Any], walled: bool = False, logits: bool = True
) -> str:
    """How objects follow from the maps, see `unet_hf.objects.basins`."""
    deep = "(distance + centre) / 2" if "centre" in channels else "distance"
    if walled:
        deep = f"({deep} + 1 - the probability of class 0) / 2"
    share = " / (1 + exp(-border))" if logits else " border"
    border = f" - {BORDER_DEPTH:g}{share}" if "border" in channels else ""
    seed, smallest = recipe.get("seed", DEFAULT_SEED), recipe.get("min_size", 0)
    return (
        f"The height of a pixel is {deep}{border}. Each pixel of a class above 0 points at the "
        "highest of its four neighbours of the same class that is higher than itself; of equal "
        "heights, the one that comes first row by row is higher. Pixels that lead to the same "
        "summit are a basin. The pass between two basins is the highest pair of neighbours, one "
        "in each, as high as the lower of both. From the highest pass to the lowest, the two "
        "sides become one object if the lower of their summits is below "
        f"{seed:g} or less than {prominence(walled):g} above the pass. What is left without a "
        f"summit of at least {seed:g} is no object."
        + (f" Objects of fewer than {smallest} pixels are left out." if smallest else "")
    )


def mask_rule(model: "UNet") -> str:
    if model.threshold is not None:
        return f"class 1 where its probability exceeds {model.threshold}, class 0 elsewhere"
    return "the most probable class, the lower id where two are equal"


def _is_of(hashes: dict[str, str], folder: Path) -> bool:
    try:
        return checkpoint_hashes(folder) == hashes
    except OSError:  # moved or deleted since
        return False


def usage(description: dict[str, Any], name: str, differences: dict[str, float]) -> str:
    """How to use the file `name`, in Markdown.

    differences: Of each output from the checkpoint's, the largest that was seen.
    """
    format = description["format"]
    by_image = description["normalization"] == "image"
    names = ", ".join(f"{key} {value}" for key, value in description["classes"].items())
    return TEXT.format(
        **description | {"license": words(description["license"])},
        name=name,
        origin=words(description["source"] or "unnamed weights"),
        at=f" (commit `{description['commit']}`)" if description["commit"] else "",
        weights=description["model.safetensors"],
        what=WHAT[format].format(**description),
        names=words(names),
        count=len(description["channels"]),
        order=words(", ".join(description["channels"])),
        statistics=(BY_IMAGE if by_image else FIXED)
        + (OUTLIERS if description["outliers"] == "clip" else ""),
        measured=(CLIP if description["outliers"] == "clip" else "")
        + (MEASURED if by_image else 'inputs = {"image": image}'),
        package=PACKAGE[format],
        run=RUN[format].format(name=name),
        decide=DECIDE[description["threshold"] is None].format(**description),
        difference=f"{differences['probabilities']:.1e}",
        about_objects=_about_objects(description, differences),
    )


def _about_objects(description: dict[str, Any], differences: dict[str, float]) -> str:
    if "object_maps" not in description:
        return ""
    maps = "\n".join(f"- `{name}`: {words}" for name, words in description["object_maps"].items())
    return OBJECTS.format(
        maps=maps,
        rule=description["object_rule"],
        difference=f"{differences['object_maps']:.1e}",
    )


def words(text: str) -> str:
    """What a stranger may have written, on one line and without HTML."""
    return html.escape(" ".join(text.split()), quote=False)


WHAT = {
    "onnx": "ONNX, opset {opset}, for ONNX Runtime and onnxruntime-web from 1.18 on",
    "openvino": "OpenVINO, beside it its weights (.bin)",
}
PACKAGE = {"onnx": "onnxruntime", "openvino": "openvino"}
RUN = {
    "onnx": """session = onnxruntime.InferenceSession("{name}")
probabilities = session.run(["probabilities"], inputs)[0]""",
    "openvino": """# Without the hint, CPUs that have bfloat16 compute in it.
network = openvino.compile_model("{name}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
probabilities = network(inputs)["probabilities"]""",
}
BY_IMAGE = """- `mean`, `std`: (batch,) float32, of each whole image, all channels together, also
  where only a block of it is shown. A `std` of 0 counts as 1.
"""
FIXED = "  It is normalised inside.\n"
OUTLIERS = """
Outliers such as hot pixels are clipped in `image` first, as below.
"""
# As `images.statistics.measure` does it, to the bit.
CLIP = """rank = image.size // 1000  # one value in so many, at either end, may be an outlier
low, high = np.partition(image, [rank, -1 - rank], axis=None)[[rank, -1 - rank]]
reach = high - low
if rank and reach and (image.min() < low - 3 * reach or image.max() > high + 3 * reach):
    image = image.clip(low - reach / 2, high + reach / 2)
"""
MEASURED = """inputs = {
    "image": image,
    "mean": image.mean(axis=(1, 2, 3)),
    "std": image.std(axis=(1, 2, 3)),
}"""
DECIDE = {
    False: "mask = probabilities[:, 1] > {threshold}",
    True: "mask = probabilities.argmax(axis=1)",
}
OBJECTS = """
A second output, `object_maps`, (batch, maps, height, width) float32, tells objects apart; within
{difference} of the checkpoint's:

{maps}

{rule}
"""
TEXT = """# {name}

The U-Net `{origin}`{at} as one file: {what}.

Input:

- `image`: (batch, {count}, height, width) float32, {order}; {scale}. Any height and width.
{statistics}
Output: `probabilities`, (batch, classes, height, width) float32; {names}. The mask: {mask}.

```python
import numpy as np
import {package}

# pixels: (height, width, channels), uint8
image = pixels.astype(np.float32).transpose(2, 0, 1)[None] / 255
{measured}
{run}
{decide}
```
{about_objects}
Large images block by block, exactly: let the blocks begin on multiples of {multiple} px, show each
with {halo} px more on every side, as far as the image goes, and throw those away again.

Probabilities are within {difference} of the checkpoint's, on its sample and two drawn images.
Licence of the weights: {license}. Written by unet_hf {unet_hf} from the model.safetensors with the
SHA-256 `{weights}`.
"""
