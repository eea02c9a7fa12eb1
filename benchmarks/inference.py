"""How long one image takes: `python -m benchmarks.inference`.

Side by side in one process, round after round, so that a machine whose speed drifts slows both
sides alike: `model.segment` of a shipped checkpoint (reading excluded), and the bare forward
pass of the same weights in the memory layout that PyTorch networks are usually run in.
"""

import argparse
import statistics

import numpy as np
import torch

from unet_hf import UNet

from .measuring import in_turns, ratios, spread

BARE, OURS = "bare forward, contiguous", "model.segment"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="unet-isbi")
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    times = measure(options.model, options.size, options.rounds)
    print(
        f"{options.model}, {options.size} x {options.size}, {torch.get_num_threads()} threads, "
        f"{options.rounds} rounds: milliseconds, median [min .. max]"
    )
    for name, seconds in times.items():
        low, middle, high = (1000 * value for value in spread(seconds))
        print(f"  {name:26s} {middle:7.1f} [{low:.1f} .. {high:.1f}]")
    times_as_fast = statistics.median(ratios(times[BARE], times[OURS]))
    print(f"  ratio, round by round      {times_as_fast:7.2f}")


def measure(name: str, size: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of both ways, round by round."""
    model = UNet.from_pretrained(name)
    usual = UNet.from_pretrained(name).to(memory_format=torch.contiguous_format)
    channels = model.config["in_channels"]
    image = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
    tensor = torch.randn(1, channels, size, size)

    def forward() -> None:
        with torch.inference_mode():
            usual(tensor)

    def segment() -> None:
        model.segment(image, axes="YXC")

    return in_turns({BARE: forward, OURS: segment}, rounds)


if __name__ == "__main__":
    main()
