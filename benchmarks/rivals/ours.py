"""This project with its default command and `--time_budget`; what a user types, nothing else."""

import json
import shlex
import subprocess
import sys

import numpy as np

from .budget import cpu_seconds
from .task import Example, Task


def main() -> None:
    task = Task.from_command_line()
    checkpoint = task.output / "checkpoint"
    given = shlex.split(task.options["more"])
    if "--max_train_steps" not in given:
        left = (task.seconds - cpu_seconds()) / task.threads
        given += ["--time_budget", f"{left:.0f}s"]
    if task.threads == 1 and "--dataloader_num_workers" not in given:
        given += ["--dataloader_num_workers", "0"]  # one core does everything
    command = [
        sys.executable, "-m", "train", "--dataset_name", task.options["dataset"],
        "--output_dir", str(checkpoint), "--seed", str(task.seed), *given,
    ]  # fmt: skip
    subprocess.run(command, check=True)

    from unet_hf import UNet

    last = json.loads((checkpoint / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    model = UNet.from_pretrained(str(checkpoint))
    threshold = model.config.get("threshold") if task.num_classes == 2 else None
    task.trained(last["step"], checkpoint / "model.safetensors", threshold=threshold)

    def probabilities(example: Example) -> np.ndarray:
        result = model.segment(example.image, axes="YXC")
        if (task.data / f"{example.key}.instances.npy").exists():
            objects = result.objects().labels
            np.save(task.output / "probabilities" / f"{example.key}.objects.npy", objects)
        return result.probabilities

    task.predict(probabilities)


if __name__ == "__main__":
    main()
