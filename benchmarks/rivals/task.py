"""What a rival is asked, and how it answers: files that need only NumPy.

A rival may live in another Python environment than this project. So the images are handed over as
they were read, and class probabilities come back; scores are computed elsewhere, alike for all.
"""

import itertools
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .budget import cpu_seconds

IGNORE = 255
LOGGED_STEPS = 20


@dataclass(frozen=True, eq=False)
class Example:
    """One labelled image."""

    key: str
    image: np.ndarray  # (H, W, C), the values of the file
    label: np.ndarray  # (H, W) uint8 class ids, IGNORE where nothing is known

    def normalized(self) -> np.ndarray:
        """The image with mean 0 and deviation 1 in each channel, (C, H, W) float32."""
        pixels = self.image.astype(np.float32).transpose(2, 0, 1)
        mean, std = pixels.mean((1, 2), keepdims=True), pixels.std((1, 2), keepdims=True)
        return (pixels - mean) / np.maximum(std, 1e-6)


@dataclass(frozen=True)
class Task:
    """Train on `split("train")` within `seconds` and predict `split("validation")`."""

    data: Path  # the folder that `export` wrote
    output: Path
    seconds: float  # CPU seconds for everything up to the trained weights
    threads: int
    seed: int
    options: dict[str, Any]

    @classmethod
    def from_command_line(cls) -> "Task":
        """Reads the request whose file is the only argument, and sets seeds and threads."""
        request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
        folders = {name: Path(request.pop(name)) for name in ("data", "output")}
        task = cls(**folders, **request)
        random.seed(task.seed)
        np.random.seed(task.seed)  # nnU-Net draws from the global generator
        import torch

        torch.manual_seed(task.seed)
        torch.set_num_threads(task.threads)
        return task

    @property
    def facts(self) -> dict[str, Any]:
        """What `export` wrote about the data: classes, channels, keys of each split."""
        return json.loads((self.data / "facts.json").read_text("utf-8"))

    @property
    def num_classes(self) -> int:
        return len(self.facts["classes"])

    def split(self, name: str) -> Iterator[Example]:
        for key in self.facts[name]:
            image, label = (np.load(self.data / f"{key}.{what}.npy") for what in ("image", "label"))
            yield Example(key, image, label)

    def steps(self) -> Iterator[float]:
        """Yields the spent share of the budget, 0 to 1, before each step that still fits in.

        Schedules follow it, so that they end with the budget.
        """
        started = now = cpu_seconds()
        for step in itertools.count():
            usual = (now - started) / max(step, 1)
            if now + usual >= self.seconds:
                return
            if step % LOGGED_STEPS == 0:
                print(f"step {step}, {now:.0f} of {self.seconds:.0f} CPU seconds", flush=True)
            yield now / self.seconds
            now = cpu_seconds()

    def trained(self, steps: int, weights: Path, **notes: Any) -> None:
        """Says that the training has ended: what is computed from here on is a prediction."""
        record = {
            "steps": steps,
            "train_cpu_seconds": round(cpu_seconds(), 1),
            "weights_megabytes": round(weights.stat().st_size / 1e6, 2),
            **notes,
        }
        self._write(record)

    def note(self, **notes: Any) -> None:
        """Adds figures that are measured after the training."""
        self._write(json.loads((self.output / "trained.json").read_text("utf-8")) | notes)

    def _write(self, record: dict[str, Any]) -> None:
        part = self.output / "trained.part"
        part.write_text(json.dumps(record), "utf-8")
        os.replace(part, self.output / "trained.json")

    def predict(self, probabilities: Callable[[Example], np.ndarray]) -> None:
        """Writes the class probabilities, (classes, H, W) float32, of each validation image."""
        folder = self.output / "probabilities"
        folder.mkdir(exist_ok=True)
        for example in self.split("validation"):
            np.save(folder / f"{example.key}.npy", probabilities(example).astype(np.float32))
