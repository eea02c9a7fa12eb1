"""Are packages for the BioImage Model Zoo what its own reader expects?
`python -m benchmarks.model_zoo`

Exports the shipped checkpoints whose licence allows it, and lets `bioimageio.core` run them with
ONNX Runtime and with PyTorch: `bioimageio test`, then a drawn image that is no test tensor, whole
and in blocks. Of the image as a whole, the result is compared with `model.segment`. Blocks are
compared with it where a pixel sees nothing beyond the border of the image, and everywhere with what
the same network computes here of the image normalised first, then mirrored. The reader's own whole
image is mirrored first, then normalised, and so is another one; that this is all of the difference
is checked, too. Ends with 1 if anything fails or differs by over 1e-4.

`bioimageio.core` has an environment of its own, as the description it reads does not go with newer
versions of pydantic. It is made in `--environment`, which takes some minutes and a network, and is
used again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from unet_hf import UNet
from unet_hf.errors import ExportError
from unet_hf.export import export
from unet_hf.export.bioimageio.bare import Bare, expected_outputs
from unet_hf.export.bioimageio.tensors import apply_steps, preprocessing_steps
from unet_hf.hub.find import shipped_checkpoints
from unet_hf.hub.sample import drawn_input

READER = Path(__file__).with_name("model_zoo_reader.py")
PACKAGES = ["bioimageio.core==0.11.0", "pydantic<2.13", "onnxruntime"]
WEIGHTS = ["onnx", "torchscript"]
# px of the drawn image: four blocks in each direction, and an inner part that sees no border.
SIDES = (352, 416)
STEPS = 6  # above the smallest input: blocks of 304 px, of which 112 px are kept
ALLOWED = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="default: all that ship")
    parser.add_argument("--environment", type=Path, default=Path("bioimageio-environment"))
    given = parser.parse_args()
    python = environment(given.environment)
    good = True
    for name in given.models or shipped_checkpoints():
        with tempfile.TemporaryDirectory() as folder:
            try:
                package = export(UNet.from_pretrained(name), folder, "bioimageio", name=name).path
            except ExportError as error:
                print(f"{name}: refused. {error}", flush=True)
                continue
            for weights in WEIGHTS:
                good &= check(name, python, package, weights)
    return int(not good)


def check(name: str, python: Path, package: Path, weights: str) -> bool:
    """Prints what one kind of weights in a package does; returns whether all is as it should be."""
    model, folder = UNet.from_pretrained(name), package.parent
    pixels = drawn_image(model.config["in_channels"])
    np.save(folder / "image.npy", pixels[None].astype(np.float32))
    status = run_test(python, package, weights)
    seen = run_reader(python, package, weights)
    whole, padded, blocks = seen["whole"], seen["padded"], seen["blocks"]
    result = model.segment(pixels, axes="CYX", precision="float32")
    expected = np.concatenate(list(expected_outputs(result).values()))
    normalised, mirrored = (
        mirrored_prediction(model, pixels, first) for first in ("normalise", "mirror")
    )
    halo = model.geometry.halo
    inner = (..., slice(halo, -halo), slice(halo, -halo))
    compared = {  # what is compared, and whether it has to agree
        "whole image, as it is, and unet_hf": (whole, expected, True),
        "blocks and unet_hf, off the border": (blocks[inner], expected[inner], True),
        "blocks and unet_hf, at the border, too": (blocks, expected, False),
        "blocks and the network here, normalised, then mirrored": (blocks, normalised, True),
        "padded whole image and the network here, mirrored, then normalised": (
            padded, mirrored, True,
        ),
        "padded whole image and blocks": (padded, blocks, False),
        "padded whole image and unet_hf, off the border": (padded[inner], expected[inner], False),
    }  # fmt: skip
    print(f"{name}, {weights}: bioimageio test ended with {status}", flush=True)
    good = status == 0
    for words, (one, other, has_to) in compared.items():
        found = float(np.abs(one - other).max())
        wrong = has_to and found > ALLOWED
        good &= not wrong
        print(f"  {words}: {found:.1e}{' <- WRONG' if wrong else ''}", flush=True)
    return good


def environment(folder: Path) -> Path:
    """The Python that has `bioimageio.core`, with this process's version of PyTorch."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        torch = f"torch=={version('torch').partition('+')[0]}"
        install = [python, "-m", "pip", "install", "--quiet", torch, *PACKAGES]
        subprocess.run(install, check=True)
    return python


def drawn_image(channels: int) -> np.ndarray:
    """(channels, height, width) uint8, darker towards one side: blocks differ in brightness."""
    height, width = SIDES
    drawing = drawn_input(channels)
    beyond = [(0, height - len(drawing)), (0, width - drawing.shape[1]), (0, 0)]
    shade = np.linspace(1, 0.4, width)[:, None]
    pixels = (np.pad(drawing, beyond, "wrap") * shade).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@torch.inference_mode()
def mirrored_prediction(model: UNet, pixels: np.ndarray, first: str) -> np.ndarray:
    """What the network says of the image with its halo mirrored around it, cut to the image.

    first: "normalise" or "mirror".
    """
    halo = model.geometry.halo
    steps = preprocessing_steps(model.preprocessing, scale=1 / 255)
    image = pixels[None].astype(np.float32)

    def mirror(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, 0), (0, 0), (halo, halo), (halo, halo)], "symmetric")

    if first == "mirror":
        image = apply_steps(steps, mirror(image))
    else:
        image = mirror(apply_steps(steps, image))
    predicted = Bare(model.eval())(torch.from_numpy(image))[0].numpy()
    return predicted[:, halo:-halo, halo:-halo]


def run_test(python: Path, package: Path, weights: str) -> int:
    """`bioimageio test`, without a network; what it says is shown if it fails."""
    command = [python.with_name("bioimageio"), "test", package, "--weight-format", weights]
    done = subprocess.run(command, capture_output=True, text=True, env=cached_beside(package))
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    return done.returncode


def run_reader(python: Path, package: Path, weights: str) -> dict[str, np.ndarray]:
    folder = package.parent
    command = [python, READER, package, folder / "image.npy", weights, str(STEPS), folder]
    done = subprocess.run(command, capture_output=True, text=True, env=cached_beside(package))
    if done.returncode:
        sys.exit(f"The reader failed:\n{done.stderr[-4000:]}")
    return {name: np.load(folder / f"{name}.npy") for name in ("whole", "padded", "blocks")}


def cached_beside(package: Path) -> dict[str, str]:
    return os.environ | {"BIOIMAGEIO_CACHE_PATH": str(package.parent / "cache")}


if __name__ == "__main__":
    sys.exit(main())
