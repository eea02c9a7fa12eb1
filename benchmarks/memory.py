"""How much memory a prediction needs, by the size of the image: `python -m benchmarks.memory`.

An array in memory is segmented by `model.segment`, and by the network as it is usually run: the
whole image at once, as a float32 tensor in PyTorch's usual layout, softmax and argmax. Both end
with the same two results, probabilities and mask. Each run has a process of its own; what counts
is the peak of its resident memory beyond what it held with the model loaded and the image drawn.
The usual way needs several gigabytes at 4096 x 4096 and is not tried beyond: `--usual_until`.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch

from unet_hf import UNet

from . import measuring
from .measuring import in_own_process, megabytes, ratios, table, written

USUAL, OURS = "as usually run", "model.segment"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--usual_until", type=int, default=4096, help="largest side for that, px")
    parser.add_argument("--model", default="unet-isbi", help="shipped name, folder or Hub id")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    peaks = {}
    for size in options.sizes:
        ways = (USUAL, OURS) if size <= options.usual_until else (OURS,)
        peaks[size] = measure(options.model, size, options.rounds, ways)
    print(
        f"{options.model}, {measuring.on_this_machine()}; MB above the model and the image, median "
        f"[min .. max] of {options.rounds} rounds.\n"
    )
    print(table(("side, px", OURS, "of that its results", USUAL, "times less"), rows(peaks)))
    measuring.write_json(options.json, {"megabytes": peaks})


def rows(peaks: dict[int, dict[str, list[float]]]) -> list[list[str]]:
    found = []
    for size, of in peaks.items():
        cells = [str(size), written(of[OURS], 0), f"{statistics.median(of['results']):.0f}"]
        if USUAL in of:
            cells += [written(of[USUAL], 0), written(ratios(of[USUAL], of[OURS]), 1)]
        else:
            cells += ["not tried", ""]
        found.append(cells)
    return found


def measure(
    model: str, size: int, rounds: int, ways: tuple[str, ...] = (USUAL, OURS)
) -> dict[str, list[float]]:
    """MB by way, round by round, and "results": what probabilities and mask take of them."""
    found: dict[str, list[float]] = {name: [] for name in (*ways, "results")}
    for _ in range(rounds):
        for way in ways:
            answer = in_own_process("benchmarks.memory", model=model, size=size, way=way)
            found[way].append(answer["peak"])
        found["results"].append(answer["results"])
    return found


def run(model: str, size: int, way: str) -> dict[str, float]:
    """In this process."""
    network = UNet.from_pretrained(model).eval()
    if way == USUAL:
        for parameter in network.parameters():
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    channels = network.config["in_channels"]
    image = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
    before = megabytes("VmRSS")
    measuring.forget_peak()
    results = as_usually_run(network, image) if way == USUAL else ours(network, image)
    return {
        "peak": megabytes("VmHWM") - before,
        "results": sum(array.nbytes for array in results) / 2**20,
    }


def ours(network: UNet, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """image: (H, W, C) uint8 -> (classes, H, W) float32 probabilities, (H, W) uint8 classes."""
    result = network.segment(image, axes="YXC")
    return result.probabilities, result.mask


def as_usually_run(network: UNet, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same without tiles."""
    with torch.inference_mode():
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        probabilities = network(tensor.contiguous())[0].softmax(dim=0)
        return probabilities.numpy(), probabilities.argmax(dim=0).byte().numpy()


if __name__ == "__main__":
    main()
