"""Checkpoints by HTTP: an unmodified huggingface_hub, in processes of its own, and a Hub on the
loopback. Nothing that these processes ask of any other address gets out."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from huggingface_hub import ModelCard

from unet_hf import UNet

from .hub import Files, Hub, client_environment, running_hub

TOKEN = "hf_the_secret_of_alice"
WRONG_TOKEN = "hf_a_token_of_nobody"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 13568\n"

CLIENT = """
import hashlib, json, sys, time, traceback
import numpy, torch
from huggingface_hub import create_branch, hf_hub_download
from unet_hf import UNet

def fingerprint(model):
    image = numpy.random.default_rng(0).integers(0, 256, (70, 90), numpy.uint8)
    result = model.segment(image)
    arrays = {"probabilities": result.probabilities, "mask": result.mask}
    hashes = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    return {**hashes, "config": model.config}
"""

PUSH = """
def trained(seed):
    torch.manual_seed(seed)
    model = UNet(
        base_channels=2, depth=2, tile_size=64, threshold=0.4,
        id2label={"0": "membrane", "1": "cell"},
        preprocessing={"normalization": "fixed", "mean": [0.4], "std": [0.2]},
    )
    model(torch.randn(2, 1, 32, 32))  # running statistics that no constructor gives
    return model.eval()

first, second = trained(1), trained(2)
commits = [first.push_to_hub("alice/tiny").oid]
create_branch("alice/tiny", branch="draft/2")
commits.append(second.push_to_hub("alice/tiny", branch="draft/2").oid)
answer = {"commits": commits, "models": [fingerprint(first), fingerprint(second)]}
print(json.dumps(answer))
"""

LOAD = """
answers = {}
for name, (source, options) in json.load(sys.stdin).items():
    started = time.perf_counter()
    try:
        if options.pop("after_its_card", False):
            hf_hub_download(source, "README.md")
        answers[name] = fingerprint(UNet.from_pretrained(source, **options))
    except Exception as error:
        traceback.print_exc()  # everything a user would see
        answers[name] = {"error": type(error).__name__, "message": str(error)}
    answers[name]["seconds"] = time.perf_counter() - started
print(json.dumps(answers))
"""

Change = Callable[[Files], Files]


def as_it_is(files: Files) -> Files:
    return files


def without(path: str) -> Change:
    return lambda files: {name: files[name] for name in files if name != path}


def config(content: bytes) -> Change:
    return lambda files: files | {"config.json": content}


def option(**options: Any) -> Change:
    def changed(files: Files) -> Files:
        complete = json.loads(files["config.json"]) | options
        return files | {"config.json": json.dumps(complete).encode()}

    return changed


def weights(content: bytes) -> Change:
    return lambda files: files | {"model.safetensors": content}


def tensors(changes: dict[str, torch.Tensor | None]) -> Change:
    """Replaces or adds tensors, and takes those away that are None."""

    def changed(files: Files) -> Files:
        found = safetensors.torch.load(files["model.safetensors"]) | changes
        kept = {name: tensor for name, tensor in found.items() if tensor is not None}
        return files | {"model.safetensors": safetensors.torch.save(kept)}

    return changed


@dataclass(frozen=True)
class Refused:
    """A load that must fail: bob/<name of the case> on the Hub, loaded with `options`."""

    error: str
    words: str  # a pattern of the message, cure included
    change: Change | None = as_it_is  # what is wrong with the files; None: there is no repository
    repo: dict[str, bool] = field(default_factory=dict)  # options of `hub.Repo`
    options: dict[str, Any] = field(default_factory=dict)  # of `from_pretrained`


REFUSED = {
    "missing": Refused("CheckpointNotFoundError", "no model .* Check the name", None),
    "missing-without-token": Refused(
        "CheckpointNotFoundError", "hf auth login", None, options={"token": False}
    ),
    "private": Refused("CheckpointNotFoundError", "or private", repo={"private": True}),
    "gated": Refused("CheckpointAccessError", "gated. Ask for access", repo={"gated": True}),
    "gated-without-token": Refused(
        "CheckpointAccessError", "hf auth login", repo={"gated": True}, options={"token": False}
    ),
    "gated-and-forced": Refused(
        "CheckpointAccessError", "gated", repo={"gated": True}, options={"force_download": True}
    ),
    "disabled": Refused("CheckpointAccessError", "refused .* 403", repo={"disabled": True}),
    "wrong-token": Refused(
        "CheckpointAccessError", "401.*hf auth login", options={"token": WRONG_TOKEN}
    ),
    "no-such-branch": Refused(
        "CheckpointNotFoundError",
        "no revision 'v9'. Use a branch, a tag or a commit",
        options={"revision": "v9"},
    ),
    "no-such-commit": Refused(
        "CheckpointNotFoundError", "no revision '00000", options={"revision": 40 * "0"}
    ),
    "pickle-only": Refused(
        "WeightsError",
        r"no model.safetensors.*pytorch_model.bin, .* are never loaded",
        lambda files: without("model.safetensors")(files) | {"pytorch_model.bin": b"cos\nsystem"},
    ),
    "no-config": Refused("WeightsError", "has no config.json", without("config.json")),
    "no-weights": Refused("WeightsError", "has no model.safetensors", without("model.safetensors")),
    "empty": Refused("WeightsError", "has no config.json", lambda files: {}),
    "config-is-a-list": Refused("ConfigError", "holds a list, .* Restore", config(b"[1]")),
    "config-is-no-json": Refused("ConfigError", "is not JSON.*Restore", config(b"<html>")),
    "config-is-of-another-library": Refused(
        "ConfigError", "does not know: hidden_act.*update unet_hf", option(hidden_act="gelu")
    ),
    "config-is-huge": Refused(
        "ConfigError", "base_channels=1000000000 .* 1 to 4096", option(base_channels=10**9)
    ),
    "weights-are-a-pointer": Refused("WeightsError", "git lfs pull", weights(POINTER)),
    "weights-are-no-weights": Refused(
        "WeightsError", "not a readable .* Download it again", weights(b"<html>" * 9)
    ),
    "tensor-missing": Refused(
        "WeightsError",
        "missing: head.bias. .* same `save_pretrained`",
        tensors({"head.bias": None}),
    ),
    "tensor-unexpected": Refused(
        "WeightsError", "unexpected tensors: extra", tensors({"extra": torch.zeros(1)})
    ),
    "tensor-of-another-shape": Refused(
        "WeightsError",
        r"head.bias is \[3\], expected \[2\]",
        tensors({"head.bias": torch.zeros(3)}),
    ),
    "tensor-of-integers": Refused(
        "WeightsError",
        "head.bias holds torch.int8, expected torch.float32. Save",
        tensors({"head.bias": torch.zeros(2, dtype=torch.int8)}),
    ),
    "tensor-beyond-float32": Refused(
        "WeightsError",
        "head.bias holds NaN or infinite",
        tensors({"head.bias": torch.full((2,), 1e300, dtype=torch.float64)}),
    ),
    "not-cached": Refused(
        "CheckpointUnreachableError",
        "not in the local cache.*local_files_only.*a checkpoint that ships",
        options={"local_files_only": True},
    ),
    "only-its-card-cached": Refused(
        "CheckpointUnreachableError",
        "not in the local cache",
        options={"local_files_only": True, "after_its_card": True},
    ),
}


class Client:
    """Runs scripts as a user's process would, and keeps all they print."""

    def __init__(self, hub: Hub, home: Path) -> None:
        self.environment = client_environment(hub, home, TOKEN)
        self.printed = ""

    def run(self, script: str, given: Any = None, **environment: str) -> Any:
        """The JSON that the script prints last; `given` is its standard input, as JSON."""
        done = subprocess.run(
            [sys.executable, "-c", CLIENT + script],
            input=json.dumps(given),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub({TOKEN: "alice"}) as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(hub, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def pushed(client: Client) -> dict[str, Any]:
    """Two models pushed to alice/tiny, the second to the branch draft/2."""
    return client.run(PUSH)


@pytest.fixture(scope="module")
def loaded(
    hub: Hub, client: Client, pushed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What became of every load, good or bad, in one fresh process."""
    folder = tmp_path_factory.mktemp("checkpoint")
    UNet(base_channels=2, depth=2, tile_size=64).save_pretrained(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.plant("alice/private", files, private=True)
    for name, case in REFUSED.items():
        if case.change is not None:
            hub.plant(f"bob/{name}", case.change(files), **case.repo)
    loads = {
        "main": ("alice/tiny", {}),
        "branch": ("alice/tiny", {"revision": "draft/2"}),
        "first commit": ("alice/tiny", {"revision": pushed["commits"][0]}),
        "second commit": ("alice/tiny", {"revision": pushed["commits"][1]}),
        "own private": ("alice/private", {}),
        "malformed": ("a/b/c", {}),
    }
    loads |= {name: (f"bob/{name}", case.options) for name, case in REFUSED.items()}
    return client.run(LOAD, loads)


@pytest.fixture(scope="module")
def offline(client: Client, loaded: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Loads in a process without network and token, after `loaded` filled the cache."""
    loads = {
        "cached": ("alice/tiny", {}),
        "not cached": ("bob/never-asked-for", {}),
        "no token": ("bob/never-asked-for", {"token": True}),
    }
    return client.run(LOAD, loads, HF_HUB_OFFLINE="1", HF_TOKEN="")


def prediction(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer.get(key) for key in ("probabilities", "mask", "config")}


def test_push_then_load_gives_identical_bytes(pushed, loaded):
    first, second = pushed["models"]
    assert first["probabilities"] != second["probabilities"]  # or the claim would be empty
    assert prediction(loaded["main"]) == first


def test_a_push_is_one_commit_with_configuration_weights_and_card(hub, pushed):
    repo = hub.repos["models", "alice/tiny"]
    _, first, second = repo.commits  # the first one, of the creation, is empty
    assert [first, second] == pushed["commits"]
    assert set(repo.commits[first]) == {"config.json", "model.safetensors", "README.md"}
    card = ModelCard(repo.commits[first]["README.md"].decode())
    assert card.data.library_name == "unet_hf"
    assert card.data.pipeline_tag == "image-segmentation"


def test_branches_and_commits_load_what_was_pushed_to_them(pushed, loaded):
    first, second = pushed["models"]
    assert prediction(loaded["branch"]) == second
    assert prediction(loaded["first commit"]) == first
    assert prediction(loaded["second commit"]) == second


def test_a_private_checkpoint_loads_with_its_owners_token(loaded):
    assert "error" not in loaded["own private"]


def test_a_load_downloads_configuration_and_weights_and_nothing_else(hub, loaded):
    paths = [path for _, path in hub.requests if path.startswith("/alice/tiny/resolve/")]
    assert {Path(path).name for path in paths} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_checkpoint_has_a_named_error_with_a_cure(name, loaded):
    case, answer = REFUSED[name], loaded[name]
    assert answer.get("error") == case.error, answer
    assert re.search(case.words, answer["message"])
    assert f"bob/{name}" in answer["message"]


def test_a_malformed_name_is_not_found_and_never_asked_for(hub, loaded):
    assert loaded["malformed"]["error"] == "CheckpointNotFoundError"
    assert "'org/name'" in loaded["malformed"]["message"]
    assert not [path for _, path in hub.requests if "a/b/c" in path]


def test_pickled_weights_are_never_asked_for(hub, loaded):
    assert not [path for _, path in hub.requests if "pytorch_model" in path]


def test_no_refusal_is_retried(hub, loaded):
    asked = Counter(request for request in hub.requests if "/bob/" in request[1])
    assert [request for request, times in asked.items() if times > 1] == []


def test_offline_the_cache_gives_identical_bytes(pushed, offline):
    assert prediction(offline["cached"]) == pushed["models"][0]


def test_offline_without_a_cache_the_hub_is_called_unreachable(hub, offline):
    assert offline["not cached"]["error"] == "CheckpointUnreachableError"
    assert "HF_HUB_OFFLINE" in offline["not cached"]["message"]
    assert not [path for _, path in hub.requests if "never-asked-for" in path]


def test_a_required_token_that_is_missing_is_an_access_error(offline):
    assert offline["no token"]["error"] == "CheckpointAccessError"
    assert "hf auth login" in offline["no token"]["message"]


def test_tokens_never_appear_in_any_output(client, pushed, loaded, offline):
    assert "Traceback" in client.printed  # the errors, with all that caused them
    assert TOKEN not in client.printed
    assert WRONG_TOKEN not in client.printed
