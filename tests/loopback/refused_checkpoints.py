"""Checkpoints on a Hub that must not load: what is wrong with each, and what a user is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch

from .hub import Files

WRONG_TOKEN = "hf_a_token_of_nobody"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 13568\n"
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


def adds(path: str) -> Change:
    return lambda files: files | {path: b"evil"}


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
    "config-of-nan": Refused(
        "ConfigError", "is not JSON: it holds nan", option(dropout=float("nan"))
    ),
    "config-of-infinity": Refused(
        "ConfigError", "is not JSON: it holds -infinity", option(dropout=-float("inf"))
    ),
    "config-of-a-huge-number": Refused(
        "ConfigError",
        "which is too large for a number",
        lambda files: config(files["config.json"].replace(b'"dropout": 0.0', b'"dropout": 1e999'))(
            files
        ),
    ),
    "config-is-nested": Refused("ConfigError", "is not JSON", config(b"[" * 10**5)),
    "config-is-deep": Refused("ConfigError", "depth=60 .* 1 to 8", option(depth=60)),
    "config-of-many-labels": Refused(
        "ConfigError",
        r"has 1\d.\d MB; a configuration has a few kilobytes. It was not downloaded",
        option(id2label={str(index): "a class" for index in range(6 * 10**5)}),
    ),
    "config-is-a-long-story": Refused("ConfigError", "norm='xxx.{,500}$", option(norm=10**6 * "x")),
    "config-is-huge": Refused(
        "ConfigError", "base_channels=1000000000 .* 1 to 4096", option(base_channels=10**9)
    ),
    "weights-are-a-pointer": Refused("WeightsError", "git lfs pull", weights(POINTER)),
    "weights-are-no-weights": Refused(
        "WeightsError", "not a readable .* Download it again", weights(b"<html>" * 9)
    ),
    "weights-are-too-large": Refused(
        "WeightsError",
        r"has 3.0 MB, but the network .* needs \d+.\d kB. It was not read",
        weights(bytes(3 * 10**6)),
    ),
    "weights-are-all-header": Refused(
        "WeightsError",
        "header would have 90,000,000 bytes.*force_download=True",
        weights((9 * 10**7).to_bytes(8, "little") + b"{}"),
    ),
    "names-leave-the-repository": Refused(
        "UnsafeRepositoryError", "'../../evil'.*Nothing of it was downloaded", adds("../../evil")
    ),
    "names-are-absolute": Refused(
        "UnsafeRepositoryError", "'/etc/evil'.*use another repository", adds("/etc/evil")
    ),
    "names-are-of-windows": Refused("UnsafeRepositoryError", "outside itself", adds("a\\..\\evil")),
    "no-such-subfolder": Refused(
        "WeightsError", "has no folds/9/config.json", options={"subfolder": "folds/9"}
    ),
    "forced-and-local": Refused(
        "ConfigError",
        "Leave one of them out",
        options={"force_download": True, "local_files_only": True},
    ),
    "revision-leaves-the-cache": Refused(
        "CheckpointNotFoundError",
        "no revision '../../x'",
        options={"revision": "../../x", "local_files_only": True},
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
