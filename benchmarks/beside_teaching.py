"""A visitor's image while another visitor's teaching is at work, beside one alone.

    python -m benchmarks.beside_teaching

The process of the page's panel Teach learns from drawn nuclei with two strokes; this process
segments 512 x 512 pixels meanwhile, as the page does, in turns with the teaching stopped (SIGSTOP),
so that a machine whose speed drifts slows both alike.
"""

import argparse
import os
import signal
import tempfile
from pathlib import Path

import PIL.Image
import torch

from demo.synthetic import fluorescence_nuclei
from demo.teach.process import TeachProcess
from train.teaching.worker import BASE
from unet_hf import UNet
from unet_hf.hub.save import write_model

from .measuring import clock, machine, ratios, written

STROKES = [
    {"class": 0, "radius": 6, "points": [40, 40, 120, 40]},
    {"class": 1, "radius": 6, "points": [600, 600, 700, 640]},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="unet-nuclei", help="shipped name or Hub id")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(2)
    model = UNet.from_pretrained(options.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        PIL.Image.fromarray(fluorescence_nuclei(512, 60, seed=0).image).save(folder / "nuclei.png")
        model.segment(folder / "nuclei.png")
        process = begun(folder, model)
        try:
            alone, beside = [], []
            for _ in range(options.rounds):
                os.kill(process.pid, signal.SIGSTOP)
                alone.append(clock(lambda: model.segment(folder / "nuclei.png")))
                os.kill(process.pid, signal.SIGCONT)
                beside.append(clock(lambda: model.segment(folder / "nuclei.png")))
            assert process.is_alive(), "the teaching ended too early: fewer --rounds"
        finally:
            process.end()
    print(machine())
    print(
        f"alone: {written(alone, 0, 0.001)} ms; beside a teaching: {written(beside, 0, 0.001)} ms"
    )
    print(f"times as long: {written(ratios(beside, alone))}")


def begun(folder: Path, model: UNet) -> TeachProcess:
    """A teaching that has made its first steps."""
    (folder / BASE).mkdir()
    write_model(model, folder / BASE)
    process = TeachProcess()
    while not process.is_ready(1):
        pass
    picture = {"image": {"source": str(folder / "nuclei.png")}, "strokes": STROKES}
    classes = {"classes": list(model.id2label.values()), "colors": list(model.config["colors"])}
    job = {"pictures": [picture], "seconds": 60, "seed": 0, "megabytes": 8000, "title": ""}
    process.begin(folder, job | classes)
    while len(process.progress().losses) < 3:
        if process.has_ended(0.2):
            process.outcome()  # raises what it died of
    return process


if __name__ == "__main__":
    main()
