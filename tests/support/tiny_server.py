"""The demo as people start it, with a tiny network of its own and folders that can be looked at."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unet_hf import UNet

from ..conftest import OFFLINE, ROOT, _wait_for_url


@dataclass(frozen=True)
class TinyServer:
    url: str
    model: str  # the folder of its checkpoint, which may be asked for
    process: subprocess.Popen
    temporary: Path  # everything that the process puts aside
    log: Path

    @property
    def uploads(self) -> Path:
        """Gradio's files."""
        (folder,) = self.temporary.glob("unet_hf_uploads_*")
        return folder

    @property
    def results(self) -> Path:
        """What was written for visitors, a folder each."""
        (folder,) = self.temporary.glob("unet_hf_results_*")
        return folder

    def resident_megabytes(self) -> float:
        """Memory of the process that is in use, VmRSS."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@contextmanager
def tiny_server(folder: Path) -> Iterator[TinyServer]:
    """`python app.py --model FOLDER` with everything it writes beneath `folder`."""
    model, temporary = folder / "tiny", folder / "temporary"
    temporary.mkdir()
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, in_channels=1).eval()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    network.config["threshold"] = float(np.median(network.segment(noise).probabilities[1]))
    network.save_pretrained(model)
    environment = {
        **os.environ,
        **OFFLINE,
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        # Memory that stays is ours then, not what the allocator keeps for each thread.
        "MALLOC_ARENA_MAX": "2",
    }
    environment.pop("GRADIO_TEMP_DIR", None)  # the demo's own, as people start it
    log = folder / "log.txt"
    command = [sys.executable, "app.py", "--no-browser"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--model", str(model)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    server = TinyServer(_wait_for_url(process, log), str(model), process, temporary, log)
    try:
        yield server
    finally:
        server.stop()
