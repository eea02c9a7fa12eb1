"""Are packages for the BioImage Model Zoo what its own reader expects?
`python -m benchmarks.model_zoo`

Exports the shipped checkpoints whose licence allows it, and lets `bioimageio.core` run them with
ONNX Runtime and with PyTorch: `bioimageio test`, then an image that is no test tensor, whole and in
blocks, beside what `model.segment` says. Ends with 1 if anything fails or differs by over 1e-4.

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

from unet_hf import UNet
from unet_hf.export import export
from unet_hf.export.bioimageio.bare import expected_outputs
from unet_hf.hub.sample import drawn_input

READER = Path(__file__).with_name("model_zoo_reader.py")
PACKAGES = ["bioimageio.core==0.11.0", "pydantic<2.13", "onnxruntime"]
MODELS = ["unet-nuclei", "unet-phase", "unet-superalloy"]
WEIGHTS = ["onnx", "torchscript"]
SIDES = (352, 416)  # px of the drawn image: four blocks in each direction
ALLOWED = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS, help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--environment", type=Path, default=Path("bioimageio-environment"))
    given = parser.parse_args()
    python = environment(given.environment)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.models:
            model = UNet.from_pretrained(name)
            package = export(model, temporary, "bioimageio", name=name).path
            pixels = drawn_image(model.config["in_channels"])
            expected = expected_outputs(model.segment(pixels, axes="CYX", precision="float32"))
            np.save(Path(temporary, "image.npy"), pixels[None].astype(np.float32))
            for weights in WEIGHTS:
                status = run_test(python, package, weights)
                seen = run_reader(python, package, weights)
                whole = difference(seen["whole"], np.concatenate(list(expected.values())))
                blocks = difference(seen["blocks"], seen["padded"])
                good = status == 0 and max(whole, blocks) <= ALLOWED
                failed |= not good
                print(
                    f"{name}, {weights}: bioimageio test ended with {status}; whole image within "
                    f"{whole:.1e} of unet_hf, blocks within {blocks:.1e} of the whole image"
                    f"{'' if good else ' <- WRONG'}",
                    flush=True,
                )
    return int(failed)


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


def run_test(python: Path, package: Path, weights: str) -> int:
    """`bioimageio test`, without a network; what it says is shown if it fails."""
    command = [python.with_name("bioimageio"), "test", package, "--weight-format", weights]
    done = subprocess.run(command, capture_output=True, text=True, env=cached_beside(package))
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    return done.returncode


def run_reader(python: Path, package: Path, weights: str) -> dict[str, np.ndarray]:
    folder = package.parent
    command = [python, READER, package, folder / "image.npy", weights, folder]
    done = subprocess.run(command, capture_output=True, text=True, env=cached_beside(package))
    if done.returncode:
        sys.exit(f"The reader failed:\n{done.stderr[-4000:]}")
    return {name: np.load(folder / f"{name}.npy") for name in ("whole", "padded", "blocks")}


def cached_beside(package: Path) -> dict[str, str]:
    return os.environ | {"BIOIMAGEIO_CACHE_PATH": str(package.parent / "cache")}


def difference(seen: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(seen - expected).max())


if __name__ == "__main__":
    sys.exit(main())
