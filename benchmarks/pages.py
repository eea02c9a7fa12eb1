"""The engine with its feature maps in huge pages, and in usual ones: `python -m benchmarks.pages`.

Both in one process, by turns, with the same weights; only where the feature maps lie differs.
Where the system has no huge pages, both are the same and so are their times.
"""

import argparse
import time

import torch
from torch import Tensor

from unet_hf import UNet
from unet_hf.engine.engine import Engine
from unet_hf.engine.memory import MEMORY
from unet_hf.engine.precision import best_precision

from .measuring import on_this_machine, ratios, table, written

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64], help="of the engine")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"])
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    chosen = [best_precision(CPU) if one == "auto" else one for one in options.precisions]

    rows = []
    for width in options.widths:
        for precision in dict.fromkeys(chosen):
            usual, huge = compare(width, precision, options.size, options.rounds)
            cells = [written(seconds, 1, unit=1e-3) for seconds in (usual, huge)]
            rows.append([str(width), precision, *cells, written(ratios(usual, huge))])
    print(f"{options.size} x {options.size} px, {on_this_machine()}, {options.rounds} rounds")
    print(table(["width", "precision", "4 KiB, ms", "2 MiB, ms", "times as fast"], rows))


@torch.inference_mode()
def compare(width: int, precision: str, size: int, rounds: int) -> tuple[list[float], list[float]]:
    """Returns seconds a run with usual pages, and with huge ones."""
    torch.manual_seed(0)
    engine = Engine(UNet(1, 2, base_channels=width).eval(), precision)
    image = torch.randn(1, 1, size, size)
    MEMORY.release()
    engine(image)
    huge = dict(MEMORY._buffers)
    usual = {name: torch.empty(len(buffer), dtype=torch.uint8) for name, buffer in huge.items()}
    seconds = [(run(engine, image, usual), run(engine, image, huge)) for _ in range(rounds)]
    return [one for one, _ in seconds], [one for _, one in seconds]


def run(engine: Engine, image: Tensor, buffers: dict[tuple[str, int], Tensor]) -> float:
    """Returns the seconds of the second run in these buffers; the first one fills the caches."""
    MEMORY.release()
    MEMORY._buffers.update(buffers)
    engine(image)
    began = time.perf_counter()
    engine(image)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
