"""Reads a checkpoint's `config.json` strictly, and checks that weights can belong to it."""

from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError, WeightsError
from ..files import parse_json
from ..network.network import Network
from .layout import CONFIG_NAME, MAX_CONFIG_BYTES, WEIGHTS_NAME

# Limit for the part of a weights file that names its tensors, about 100 bytes each.
MAX_HEADER_BYTES = 2**20


def check_weights_fit(cls: type[Network], source: str | Path, config: Path, n_bytes: int) -> None:
    """Refuses a weights file that is too large for the network of a `config.json`.

    Raises `WeightsError`, and `ConfigError` as `read_config`.
    """
    model = build_without_memory(cls, read_config(config, cls.option_names(), source), source)
    check_weights_size(f"{WEIGHTS_NAME} of {source}", n_bytes, model)


def check_weights_size(where: str, n_bytes: int, model: Network) -> None:
    """Refuses a weights file of `n_bytes` that is too large for `model`. Raises `WeightsError`."""
    tensors = model.state_dict().values()
    needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if n_bytes > 2 * needed + MAX_HEADER_BYTES:  # twice: float64 is read, too
        raise WeightsError(
            f"{where} has {format_bytes(n_bytes)}, but the network of its {CONFIG_NAME} needs "
            f"{format_bytes(needed)}. It was not read. The two files must come from the same "
            "`save_pretrained`."
        )


def build_without_memory(cls: type[Network], config: dict[str, Any], source: str | Path) -> Network:
    """Builds the network on the meta device, so that a hostile config allocates nothing."""
    try:
        with torch.device("meta"):
            return cls(**config)
    except ConfigError as error:
        raise ConfigError(f"{CONFIG_NAME} of {source}: {str(error)[:500]}") from error


def format_bytes(n_bytes: float) -> str:
    """Formats a size in bytes with a unit, e.g. "7.8 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            break
        n_bytes /= 1000
    return f"{n_bytes:,.1f} {unit}"


def read_config(path: Path, known: list[str], source: str | Path) -> dict[str, Any]:
    """Reads `config.json` as keyword arguments, all of them `known`. Raises `ConfigError`.

    `source` is what the user asked for; `path` may be deep in the cache of downloads.
    """
    where = f"{path.name} of {source}"
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ConfigError(
            f"{where} has {path.stat().st_size / 1e6:.1f} MB; a configuration has a few kilobytes."
        )
    try:
        config = parse_json(path.read_bytes())
    except ValueError as error:
        raise ConfigError(
            f"{where} is not JSON: {error}. Restore it from its source; from the Hub, "
            "force_download=True does."
        ) from error
    if not isinstance(config, dict):
        raise ConfigError(
            f"{where} holds a {type(config).__name__}, not a mapping of options. Restore it from "
            "its source."
        )
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ConfigError(
            f"{where} has options this version does not know: {', '.join(unknown)[:200]}. Ignoring "
            "them could change the prediction: update unet_hf, or use a unet_hf checkpoint."
        )
    missing = sorted({"in_channels", "num_classes", "base_channels", "depth"} - set(config))
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}; it is no unet_hf configuration.")
    if config.get("preprocessing") is None:  # the defaults of the time before there were others
        config["preprocessing"] = {}
    return config
