"""Does an exported file predict what the checkpoint predicts?"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import ExportError
from ..hub.sample import MAX_PIXELS, drawn_input, sample_input
from ..images.image_data import ImageData
from ..images.reading import read_image
from ..predict.segmentation import Segmentation
from ..unet import UNet
from .onnx_file import Inputs, Outputs, Run

# What other kernels may round otherwise in float32: of a probability, and of a map of objects,
# which no softmax has limited.
TOLERANCE, MAP_TOLERANCE = 1e-4, 1e-3
TOLERANCES = {"probabilities": TOLERANCE, "object_maps": MAP_TOLERANCE}
LARGEST_SIDE = 512  # px of the sample: the exported file takes it in one piece


def outputs_of(result: Segmentation) -> Outputs:
    """What an exported network has to give for the image of a result, each (n, H, W) float32."""
    outputs = {"probabilities": result.probabilities}
    return outputs if result.object_maps is None else outputs | {"object_maps": result.object_maps}


def check_parity(
    model: "UNet",
    run: Run,
    checkpoint: Path,
    outputs: Callable[[Segmentation], Outputs] = outputs_of,
) -> dict[str, float]:
    """The largest difference of each output from `model.segment` in float32, over the sample
    in `checkpoint` and two drawn images, one of them of a size that is on no grid.

    outputs: What the format holds of a result.

    Raises:
        ExportError: It is above what is allowed, or no number.
    """
    largest: dict[str, float] = {}
    for where, image in images(model, checkpoint):
        expected = outputs(model.segment(image, precision="float32"))
        seen = run(inputs_for(model, image))
        for name, values in expected.items():
            tolerance = TOLERANCES[name]
            difference = float(np.abs(seen[name][0] - values).max())
            if not difference <= tolerance:  # NaN is not either
                raise ExportError(
                    f"The exported network's {name.replace('_', ' ')} differ from the "
                    f"checkpoint's by up to {difference:.1e} on {where}; {tolerance:.0e} is "
                    "allowed. Nothing was written. Check the versions of torch and of the "
                    "format's runtime, or choose another format."
                )
            largest[name] = max(largest.get(name, 0.0), difference)
    return largest


def images(model: "UNet", checkpoint: Path) -> Iterator[tuple[str, ImageData]]:
    sample = read_image(sample_input(checkpoint), max_pixels=MAX_PIXELS)
    yield "the sample", replace(sample, pixels=sample.pixels[:LARGEST_SIDE, :LARGEST_SIDE])
    drawing = drawn_input(model.config["in_channels"])
    grid = model.geometry.multiple
    for height, width in ((2 * grid + 1, grid + 33), (3 * grid, 2 * grid)):
        pixels = np.pad(drawing, [(0, height), (0, width), (0, 0)], "wrap")[:height, :width]
        yield f"an image of {width} x {height} px", read_image(pixels, axes="YXC")


def inputs_for(model: "UNet", image: ImageData) -> Inputs:
    """What the exported network takes, see `onnx_graph.build`, for one whole image."""
    count = model.config["in_channels"]
    as_it_is = {"normalization": "fixed", "mean": (0.0,) * count, "std": (1.0,) * count}
    pixels = replace(model.preprocessing, **as_it_is).prepare(image).whole()[None].numpy()
    inputs = {"image": pixels}
    if model.preprocessing.normalization == "image":
        exact = pixels.astype(np.float64)
        inputs["mean"] = exact.mean(axis=(1, 2, 3)).astype(np.float32)
        inputs["std"] = exact.std(axis=(1, 2, 3)).astype(np.float32)
    return inputs
