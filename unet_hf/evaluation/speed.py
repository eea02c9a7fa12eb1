"""Measures the time and memory of one image in a separate process.

The memory that this process holds must not count.

    python -m unet_hf.evaluation.speed FOLDER      prints the record as JSON
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError

SIDE = 512  # px
ROUNDS = 7
MAX_SECONDS = 30.0  # after these no further round begins


def measure_speed(folder: Path) -> dict[str, Any]:
    """Times `model.segment` of the checkpoint in `folder` on the CPU.

    Returns:
        "image": width and height, px; "milliseconds": {"median", "lowest", "highest"};
        "rounds"; "peak_megabytes": of the whole process, None where the system does not say;
        "precision", "threads", "processor", "torch".

    Raises:
        CheckpointError: The process failed, perhaps for lack of memory.
    """
    done = subprocess.run(
        [sys.executable, "-m", "unet_hf.evaluation.speed", str(folder.resolve())],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise CheckpointError(
            f"The speed could not be measured: {reason[:300]}. A machine with more memory may help."
        )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(folder: str) -> dict[str, Any]:
    import torch

    from ..unet import UNet
    from .machine import processor

    model = UNet.from_pretrained(folder)
    channels = model.config["in_channels"]
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)
    result = model.segment(image, axes="YXC")  # the first one also allocates
    began, seconds = time.perf_counter(), []
    while len(seconds) < ROUNDS and time.perf_counter() - began < MAX_SECONDS:
        seconds.append(model.segment(image, axes="YXC").seconds)
    times = {
        "median": statistics.median(seconds),
        "lowest": min(seconds),
        "highest": max(seconds),
    }
    return {
        "image": [SIDE, SIDE],
        "milliseconds": {name: round(1000 * value, 1) for name, value in times.items()},
        "rounds": len(seconds),
        "peak_megabytes": _peak_megabytes(),
        "precision": result.precision,
        "threads": torch.get_num_threads(),
        "processor": processor(),
        "torch": torch.__version__,
    }


def _peak_megabytes() -> float | None:
    """Peak of the resident memory of this process, in units of 2^20 bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's `getrusage` would count the parent process, too
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    if sys.platform == "darwin":
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return None


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
