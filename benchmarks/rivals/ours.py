"""This project with its default command and `--time_budget`; what a user types, nothing else."""

import json
import shlex
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from .budget import cpu_seconds
from .task import Example, Task

if TYPE_CHECKING:
    from unet_hf import UNet


def main() -> None:
    task = Task.from_command_line()
    checkpoint = task.output / "checkpoint"
    given = shlex.split(task.options["more"])
    if not {"--max_train_steps", "--num_train_epochs"} & {*given}:
        left = (task.seconds - cpu_seconds()) / task.threads
        given += ["--time_budget", f"{left:.0f}s"]
    if task.threads == 1 and "--dataloader_num_workers" not in given:
        given += ["--dataloader_num_workers", "0"]  # one core does everything
    command = [
        sys.executable, "-m", "train", "--dataset_name", task.options["dataset"],
        "--output_dir", str(checkpoint), "--seed", str(task.seed), *given,
    ]  # fmt: skip
    if status := subprocess.run(command).returncode:
        raise SystemExit(status)

    from unet_hf import UNet
    from unet_hf.evaluation.comparison import cells_of

    last = json.loads((checkpoint / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    model = UNet.from_pretrained(str(checkpoint))
    threshold = model.config.get("threshold") if task.num_classes == 2 else None
    task.trained(last["step"], checkpoint / "model.safetensors", threshold=threshold)
    task.note(slice_seconds=slice_seconds(model, task.facts["channels"]))

    def probabilities(example: Example) -> np.ndarray:
        result = model.segment(example.image, axes="YXC")
        objects = cells_of(result)
        if objects is None and (task.data / f"{example.key}.instances.npy").exists():
            objects = result.objects().labels
        if objects is not None:
            np.save(task.output / "probabilities" / f"{example.key}.objects.npy", objects)
        return result.probabilities

    task.predict(probabilities)


def slice_seconds(model: "UNet", channels: int) -> float:
    """Median seconds of `model.segment` for 512 x 512 pixels, after a first call."""
    noise = np.random.default_rng(0).integers(256, size=(512, 512, channels), dtype=np.uint8)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        model.segment(noise, axes="YXC")
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds[1:]), 3)


if __name__ == "__main__":
    main()
