"""What maps of objects cost: `python -m benchmarks.object_output_cost`.

The same untrained network without such maps, with one and with two, round after round in one
process. The ratios are of the medians and of the lowest times: what disturbs a machine only ever
adds time.
"""

import argparse
import statistics

import numpy as np
import torch

from unet_hf import UNet

from .measuring import in_turns, written

WITHOUT = "without maps"
CHANNELS = {"one map": ["distance"], "two maps": ["distance", "border"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--width", type=int, default=16, help="base_channels")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=61)
    options = parser.parse_args()

    times = measure(options.size, options.width, options.precision, options.rounds)
    print(
        f"base_channels={options.width}, {options.size} x {options.size}, {options.precision}, "
        f"{torch.get_num_threads()} threads, {options.rounds} rounds: milliseconds, "
        "median [min .. max]"
    )
    for name, seconds in times.items():
        print(f"  {name:13s} {written(seconds, unit=1e-3)}")
    for name in CHANNELS:
        middle, low = (
            find(times[name]) / find(times[WITHOUT]) for find in (statistics.median, min)
        )
        print(f"  {name} takes {middle:.3f} times the median, {low:.3f} times the lowest")


def measure(size: int, width: int, precision: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each network, round by round."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    ways = {WITHOUT: None} | {
        name: {"version": 1, "channels": channels} for name, channels in CHANNELS.items()
    }

    def way(asked: dict | None):
        model = UNet(3, 2, base_channels=width, depth=4, object_outputs=asked).eval()
        return lambda: model.segment(image, axes="YXC", precision=precision)

    return in_turns({name: way(asked) for name, asked in ways.items()}, rounds)


if __name__ == "__main__":
    main()
