"""How long one image takes: `python -m benchmarks.inference`.

Side by side in one process, round after round, so that a machine whose speed drifts slows both
sides alike: `model.segment` of a shipped checkpoint (reading excluded), and the bare forward
pass of the same weights in the memory layout that PyTorch networks are usually run in.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from unet_hf import UNet


def clock(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="unet-isbi")
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    model = UNet.from_pretrained(options.model)
    usual = UNet.from_pretrained(options.model).to(memory_format=torch.contiguous_format)
    channels = model.config["in_channels"]
    shape = (options.size, options.size, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    tensor = torch.randn(1, channels, options.size, options.size)

    def forward() -> None:
        with torch.inference_mode():
            usual(tensor)

    def segment() -> None:
        model.segment(image, axes="YXC")

    times: dict[str, list[float]] = {"bare forward, contiguous": [], "model.segment": []}
    for work in (forward, segment):
        work()  # the first call also allocates
    for _ in range(options.rounds):
        times["bare forward, contiguous"].append(clock(forward))
        times["model.segment"].append(clock(segment))

    print(
        f"{options.model}, {options.size} x {options.size}, {torch.get_num_threads()} threads, "
        f"{options.rounds} rounds: milliseconds, median [min .. max]"
    )
    for name, values in times.items():
        low, middle, high = (1000 * f(values) for f in (min, statistics.median, max))
        print(f"  {name:26s} {middle:7.1f} [{low:.1f} .. {high:.1f}]")
    ratios = [a / b for a, b in zip(*times.values(), strict=True)]
    print(f"  ratio, round by round      {statistics.median(ratios):7.2f}")


if __name__ == "__main__":
    main()
