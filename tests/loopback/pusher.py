"""Somebody who pushes to the loopback Hub: a process of their own, with the unmodified client."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..support.processes import forked_python
from ..support.waiting import WAITS
from .hub import Hub, client_environment
from .hub_repos import User

TOKEN, READER, ORGANISED = "hf_secretofalice", "hf_secretofbobby", "hf_secretofcarol"
USERS = {
    TOKEN: User("alice", orgs=("lab",)),
    READER: User("bob", role="read"),
    ORGANISED: User("carol"),
}
# The files of a repository that was pushed.
COMPLETE = {
    "config.json", "model.safetensors", "README.md", "thumbnail.png", "sample/expected.json",
    "sample/input.png", "sample/probabilities.tif",
}  # fmt: skip

# Pushes one small network after another, as asked on standard input; answers a line each, and
# tells how many seconds it asked to wait.
CLIENT = (
    WAITS
    + """
import json, sys, traceback
import numpy as np
import torch
from unet_hf import UNet
from unet_hf.evaluation.verification import verify

def network(seed):
    torch.manual_seed(seed)
    return UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"})

for line in sys.stdin:
    asked = json.loads(line)
    before = waited_by_all()
    try:
        if "verify" in asked:
            answer = {"wrong": [f.text for f in verify(**asked["verify"]) if not f.ok]}
        elif "int8" in asked:
            model = UNet.from_pretrained(asked["int8"])
            image = np.zeros((32, 32, model.config["in_channels"]), np.uint8)
            answer = {"precision": model.segment(image, axes="YXC", precision="int8").precision}
        else:
            model = (
                UNet.from_pretrained(asked["model"]) if "model" in asked
                else network(asked["seed"])
            )
            commit = model.push_to_hub(asked["repo"], **asked["options"])
            answer = {"oid": commit.oid, "url": str(commit), "pr": commit.pr_url}
    except Exception as error:
        traceback.print_exc()
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps({**answer, "waited": waited_by_all() - before}), flush=True)
"""
)


class Pusher:
    """A user's process that stays."""

    def __init__(self, hub: Hub, home: Path, token: str | None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "stderr.txt"
        self.process = subprocess.Popen(
            [*forked_python(), "-c", CLIENT],
            env=client_environment(hub, home, token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
        )
        self.said = ""

    def ask(self, **asked: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        self.said += (line := self.process.stdout.readline())
        return json.loads(line)

    def push(self, repo: str, seed: int = 0, **options: Any) -> dict[str, Any]:
        return self.ask(repo=repo, seed=seed, options=options)

    def wrong(self, source: str, **options: Any) -> list[str]:
        """What `verify` finds wrong with a repository."""
        answer = self.ask(verify={"source": source, **options})
        assert "error" not in answer, answer
        return answer["wrong"]

    def close(self) -> str:
        """Everything it said."""
        self.process.stdin.close()
        self.process.wait(timeout=30)
        return self.said + self.log.read_text()


@contextmanager
def pushing(hub: Hub, home: Path) -> Iterator[Pusher]:
    """Alice; no token is told in any answer, warning or traceback."""
    pusher = Pusher(hub, home, TOKEN)
    yield pusher
    everything = pusher.close()
    for token in USERS:
        assert token not in everything


def files_of(hub: Hub, repo: str, revision: str = "main") -> dict[str, bytes]:
    return hub.repos["models", repo].at(revision)[1]
