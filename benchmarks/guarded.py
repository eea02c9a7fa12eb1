"""What `benchmarks.guard` watches: the other files' ratios, each measured in short."""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from demo.synthetic import electron_micrograph
from train.crops.border_weights import border_weights
from unet_hf.engine.precision import best_precision

from . import augmentation, engine, inference, large, memory
from .measuring import in_own_process, in_turns, ratios

MODEL = "unet-isbi"
FAULTS = 640  # fresh logits, two classes of 512 x 512 float32, are 512 pages; all else is kept
MEGABYTES = 400  # that a large image may take above the model


@dataclass(frozen=True)
class Figure:
    """A ratio, of which more is better, or a count with a limit."""

    value: float
    tolerance: float = 0.15  # the share of a kept ratio that may be missing
    at_most: float | None = None  # of a count


Measure = Callable[[int], dict[str, Figure]]  # takes the number of rounds; figures by name


def engine_of(width: int) -> Measure:
    def measure(rounds: int) -> dict[str, Figure]:
        half = best_precision(torch.device("cpu"))
        found = {}
        for name, row in engine.measure(width, 512, rounds, half).items():
            if name.startswith("engine"):
                which = f"{name}, width {width}"
                found[f"{which}: times as fast as usually run"] = Figure(row["ratio"][1])
                if "int8" not in name:  # whose memory PyTorch allocates, and the system grants
                    found[f"{which}: page faults"] = Figure(row["page_faults"], at_most=FAULTS)
                found[f"{which}: share of its own convolutions"] = Figure(row["own"])
        return found

    return measure


def segmentation(rounds: int) -> dict[str, Figure]:
    times = inference.measure(MODEL, 512, rounds)
    faster = statistics.median(ratios(times[inference.BARE], times[inference.OURS]))
    return {"model.segment: times as fast as the bare forward pass": Figure(faster)}


def memory_taken(rounds: int) -> dict[str, Figure]:
    """It hardly differs from run to run: a fifth of the rounds."""
    peaks = memory.measure(MODEL, 2048, max(1, rounds // 5))
    less = statistics.median(ratios(peaks[memory.USUAL], peaks[memory.OURS]))
    with tempfile.TemporaryDirectory() as folder:
        image = large.write_image(Path(folder) / "large.tif", 2048)
        done = large.measured(image, Path(folder) / "out", model=MODEL, outputs=["mask"])
    return {
        "model.segment, 2048 x 2048: times less memory than usually": Figure(less, 0.1),
        "segment_large, 2048 x 2048: MB above the model": Figure(
            done["megabytes"], at_most=MEGABYTES
        ),
    }


def preparation(rounds: int) -> dict[str, Figure]:
    """SciPy's times vary more than the others."""
    faster = in_own_process("benchmarks.guarded", rounds=rounds)
    return {f"{name}: times as fast as SciPy": Figure(value, 0.3) for name, value in faster.items()}


def run(rounds: int) -> dict[str, float]:
    """In this process, on one thread, which is what a process that prepares crops has."""
    torch.set_num_threads(1)
    drawing = electron_micrograph(512, 142)
    image, label = drawing.image / np.float32(255), drawing.label
    tensors = torch.from_numpy(image), torch.from_numpy(label)
    instances, w0, sigma = drawing.instances, augmentation.W0, augmentation.SIGMA

    def chance() -> np.random.Generator:
        return np.random.default_rng(0)

    elastic = in_turns(
        {
            "scipy": lambda: augmentation.scipy_elastic(image, label, chance()),
            "ours": lambda: augmentation.our_elastic(*tensors, chance()),
        },
        3 * rounds,
    )
    weights = in_turns(
        {
            "scipy": lambda: augmentation.naive_border_weights(instances, w0, sigma),
            "ours": lambda: border_weights(instances, w0, sigma),
        },
        rounds,
    )
    sides = {"elastic deformation": elastic, "weight map": weights}
    return {name: statistics.median(ratios(*times.values())) for name, times in sides.items()}


MEASURES: list[Measure] = [
    engine_of(16),
    engine_of(64),
    segmentation,
    memory_taken,
    preparation,
]
