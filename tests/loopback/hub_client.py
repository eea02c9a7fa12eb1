"""A user's process: loads and pushes with an unmodified huggingface_hub, and tells how it went."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ..support.processes import forked_python
from ..support.waiting import WAITS
from .hub import Hub, client_environment

# fingerprint(model) -> what a prediction is, as JSON.
CLIENT = (
    WAITS
    + """
import hashlib, json, logging, resource, sys, traceback
from concurrent.futures import ThreadPoolExecutor
import numpy, torch
from huggingface_hub import create_branch, create_tag, hf_hub_download
from unet_hf import UNet

def fingerprint(model):
    image = numpy.random.default_rng(0).integers(0, 256, (70, 90), numpy.uint8)
    result = model.segment(image)
    arrays = {"probabilities": result.probabilities, "mask": result.mask}
    hashes = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    return {**hashes, "config": model.config}
"""
)

# Given {name: [source, options]}, tells of each: the fingerprint, or error and message; how many
# seconds it asked to wait ("waited"), and how much higher the peak of this process's memory
# became ("grown", in KiB on Linux).
LOAD = """
def load(name, source, options):
    peak, before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, waited()
    try:
        if options.pop("after_its_card", False):
            hf_hub_download(source, "README.md")
        answer = fingerprint(UNet.from_pretrained(source, **options))
    except Exception as error:
        traceback.print_exc()  # everything a user would see
        answer = {"error": type(error).__name__, "message": str(error)}
    answer["waited"] = waited() - before
    answer["grown"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    return name, answer

loads = json.load(sys.stdin)
"""
LOAD_IN_TURN = (
    LOAD + "print(json.dumps(dict(load(name, *asked) for name, asked in loads.items())))\n"
)
LOAD_AT_ONCE = (
    LOAD
    + """
with ThreadPoolExecutor(32) as pool:
    print(json.dumps(dict(pool.map(lambda item: load(item[0], *item[1]), loads.items()))))
"""
)

Answers = dict[str, dict[str, Any]]


def prediction(answer: dict[str, Any]) -> dict[str, Any]:
    """The part of an answer that tells what the model predicts."""
    return {key: answer.get(key) for key in ("probabilities", "mask", "config")}


class Client:
    """Runs scripts as a user's process would, and keeps all they print."""

    def __init__(self, hub: Hub, home: Path, token: str) -> None:
        self.environment = client_environment(hub, home, token)
        self.printed = ""

    def run(self, script: str, given: Any = None, **environment: str) -> Any:
        """The JSON that the script prints last; `given` is its standard input, as JSON."""
        done = subprocess.run(
            [*forked_python(), "-c", CLIENT + script],
            input=json.dumps(given),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])
