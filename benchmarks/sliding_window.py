"""A large image, beside the usual way to segment one: `python -m benchmarks.sliding_window`.

The usual way is MONAI's `sliding_window_inference` (`pip install monai`): windows of 512 px that
overlap by a quarter, blended by a Gaussian, through the network as PyTorch runs it. Both sides
have the same weights, take turns in one process, and are compared with the whole image at once
where that is small enough to be done.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from unet_hf import UNet
from unet_hf.machine import processor

WHOLE = 2048  # px: up to this side the whole image is segmented at once, too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="unet-isbi")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096], help="sides, px")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{options.model}, {torch.get_num_threads()} threads of {processor()}, "
        f"{options.rounds} rounds; seconds, median [min .. max]"
    )
    print("| image | MONAI | unet_hf | unet_hf, float32 | times as fast | seams |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes:
        compare(options.model, size, options.rounds)


def compare(name: str, size: int, rounds: int) -> None:
    model = UNet.from_pretrained(name).eval()
    usual = UNet.from_pretrained(name).eval()
    for parameter in usual.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    shape = (size, size, model.config["in_channels"])
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    @torch.inference_mode()
    def monai() -> np.ndarray:
        from unet_hf import read_image

        prepared = model.preprocessing.prepare(read_image(image, axes="YXC")).whole()[None]
        logits = sliding_window_inference(prepared, 512, 1, usual, overlap=0.25, mode="gaussian")
        return logits[0].softmax(dim=0).numpy()

    def ours(precision: str) -> np.ndarray:
        return model.segment(image, axes="YXC", precision=precision).probabilities

    ways: dict[str, Callable[[], np.ndarray]] = {
        "monai": monai,
        "auto": lambda: ours("auto"),
        "float32": lambda: ours("float32"),
    }
    model.segment(image[:1024, :1024], axes="YXC")  # takes memory, packs weights
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    results = {}
    for _ in range(rounds):
        for way, run in ways.items():
            started = time.perf_counter()
            results[way] = run()
            seconds[way].append(time.perf_counter() - started)
    seams = ""
    if size <= WHOLE:
        whole = model.segment(image, axes="YXC", precision="float32", tile_size=size).probabilities
        differences = {way: np.abs(results[way] - whole).max() for way in ("monai", "float32")}
        seams = f"MONAI {differences['monai']:.2g}, unet_hf {differences['float32']:.2g}"
    cells = [f"{size} x {size}"]
    for values in seconds.values():
        cells.append(f"{statistics.median(values):.2f} [{min(values):.2f} .. {max(values):.2f}]")
    ratios = [
        statistics.median([a / b for a, b in zip(seconds["monai"], seconds[way], strict=True)])
        for way in ("auto", "float32")
    ]
    cells.append(f"{ratios[0]:.1f}; float32 {ratios[1]:.1f}")
    print(f"| {' | '.join([*cells, seams])} |", flush=True)


if __name__ == "__main__":
    main()
