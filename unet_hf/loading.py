"""Checkpoints in and out: strict, safetensors only.

Every tensor of the file must be wanted, every wanted tensor must be in the file, and nothing
is random in silence. Nothing from a repository is unpickled or executed.
"""

import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import safetensors
import safetensors.torch
import torch

from .errors import (
    CheckpointError,
    ConfigError,
    WeightsError,
)
from .files import write_whole
from .hub import find_checkpoint
from .layout import CONFIG_NAME, MAX_CONFIG_BYTES, WEIGHTS_NAME
from .origin import Origin

if TYPE_CHECKING:
    from .unet import UNet

# Of the part of a weights file that names its tensors, about 100 bytes each.
MAX_HEADER_BYTES = 2**20
HEAD = ("head.weight", "head.bias")
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

logger = logging.getLogger(__name__)


def load_checkpoint(
    cls: "type[UNet]",
    source: str | Path,
    *,
    num_classes: int | None = None,
    id2label: dict[str, str] | None = None,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> "UNet":
    """Loads a checkpoint; the work behind `UNet.from_pretrained`.

    Args:
        cls: The class to build.
        source: A shipped name, a folder, or "org/name" on the Hub.
        num_classes: Start a new task: the last layer is drawn afresh for this many classes,
            everything else is loaded. `id2label` names them.
        id2label: Names of the new classes; only together with `num_classes`.
        revision: Of a Hub repository: branch, tag, "refs/pr/1" or commit; "main" if None.
        subfolder: Where in the folder or repository the checkpoint lies, "x/y".
        token, cache_dir, local_files_only, force_download: As in huggingface_hub.

    Without the Hub, a checkpoint comes from the local cache, and a warning names its commit.

    Raises:
        CheckpointNotFoundError, CheckpointUnreachableError (HubBusyError, DownloadError),
        CheckpointAccessError, UnsafeRepositoryError, WeightsError, ConfigError.
    """
    folder = find_checkpoint(
        source,
        revision=revision,
        subfolder=subfolder,
        fits=partial(check_size, cls, source),
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    )
    config = read_config(folder / CONFIG_NAME, cls.option_names(), source)
    new_head = num_classes is not None and num_classes != config["num_classes"]
    if new_head:
        config |= {"num_classes": num_classes, "id2label": id2label}
        config |= {"colors": None, "threshold": None}  # they belonged to the old classes
    elif num_classes is not None:
        config["id2label"] = id2label or config.get("id2label")
    elif id2label is not None:
        raise ConfigError(
            "id2label alone would rename the classes of finished weights. Give num_classes too, "
            "to start a new task."
        )
    model = _without_memory(cls, config, source)
    skip = HEAD if new_head else ()
    weights = read_weights(folder / WEIGHTS_NAME, model, source, skip=skip)
    if new_head:
        head = torch.nn.Conv2d(*model.head.weight.shape[1::-1], 1)
        torch.nn.init.normal_(head.weight, std=(2 / head.in_channels) ** 0.5)
        torch.nn.init.zeros_(head.bias)
        weights |= dict(zip(HEAD, (head.weight, head.bias), strict=True))
        logger.warning("The last layer of %s was drawn afresh for %d classes.", source, num_classes)
    model.load_state_dict(weights, assign=True)
    model.origin = Origin(str(source), folder)
    return model.to(memory_format=torch.channels_last).eval()


def check_size(cls: "type[UNet]", source: str | Path, config: Path, n_bytes: int) -> None:
    """Refuses weights of `n_bytes` that the network of a `config.json` has no use for.

    Raises `WeightsError`, and `ConfigError` as `read_config`.
    """
    model = _without_memory(cls, read_config(config, cls.option_names(), source), source)
    _check_bytes(f"{WEIGHTS_NAME} of {source}", n_bytes, model)


def _check_bytes(where: str, n_bytes: int, model: "UNet") -> None:
    tensors = model.state_dict().values()
    needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if n_bytes > 2 * needed + MAX_HEADER_BYTES:  # twice: float64 is read, too
        raise WeightsError(
            f"{where} has {_size(n_bytes)}, but the network of its {CONFIG_NAME} needs "
            f"{_size(needed)}. It was not read. The two files must come from the same "
            "`save_pretrained`."
        )


def _without_memory(cls: "type[UNet]", config: dict[str, Any], source: str | Path) -> "UNet":
    """The network with shapes alone: a hostile config allocates nothing."""
    try:
        with torch.device("meta"):
            return cls(**config)
    except ConfigError as error:
        raise ConfigError(f"{CONFIG_NAME} of {source}: {str(error)[:500]}") from error


def _size(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            break
        n_bytes /= 1000
    return f"{n_bytes:,.1f} {unit}"


def read_config(path: Path, known: list[str], source: str | Path) -> dict[str, Any]:
    """`config.json` as keyword arguments, all of them `known`. Raises `ConfigError`.

    `source` is what the user asked for; `path` may lie deep in the cache of downloads.
    """
    where = f"{path.name} of {source}"
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ConfigError(
            f"{where} has {path.stat().st_size / 1e6:.1f} MB; a configuration has a few kilobytes."
        )
    try:
        config = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
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
    return config


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name.lower()}, which is no number")


def read_weights(
    path: Path, model: "UNet", source: str | Path, skip: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, each wanted by `model`, of its shape and dtype.

    Names and shapes are compared from the file's header, before any tensor is read.
    """
    state = model.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in state.items()}
    where = f"{path.name} of {source}"
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{where} is a git-lfs pointer, not the weights. Run `git lfs pull` in the clone it "
            "comes from; if the Hub itself serves it, its owner must upload the weights again."
        )
    _check_bytes(where, path.stat().st_size, model)
    header = int.from_bytes(start[:8], "little")
    try:
        if header > MAX_HEADER_BYTES:
            raise safetensors.SafetensorError(f"its header would have {header:,} bytes")
        with safetensors.safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _compare(where, wanted, found, skip)
            tensors = {name: file.get_tensor(name) for name in found if name not in skip}
    except safetensors.SafetensorError as error:
        raise WeightsError(
            f"{where} is not a readable safetensors file ({str(error)[:200]}). Download it again; "
            "from the Hub, with force_download=True."
        ) from error
    for name, tensor in tensors.items():
        expected = state[name].dtype
        if tensor.dtype not in (FLOATS if expected.is_floating_point else (expected,)):
            raise WeightsError(
                f"{where}: the tensor {name} holds {tensor.dtype}, expected {expected}. Save the "
                "checkpoint again with `save_pretrained`; quantised weights are not loaded."
            )
        tensors[name] = tensor.to(expected)  # first: a large float64 becomes infinite here
        if not torch.isfinite(tensors[name]).all():
            raise WeightsError(f"{where}: the tensor {name} holds NaN or infinite values.")
    return tensors


def _compare(
    where: str,
    wanted: dict[str, tuple[int, ...]],
    found: dict[str, tuple[int, ...]],
    skip: tuple[str, ...],
) -> None:
    def refuse(what: str, names: list[str]) -> NoReturn:
        shown = ", ".join(name[:120] for name in names[:5]) + (
            f" and {len(names) - 5} more" if len(names) > 5 else ""
        )
        raise WeightsError(
            f"{where} does not fit its {CONFIG_NAME}: {what}: {shown}. The two files must come "
            "from the same `save_pretrained`."
        )

    if missing := sorted(set(wanted) - set(found)):
        refuse("tensors are missing", missing)
    if unexpected := sorted(set(found) - set(wanted)):
        refuse("there are unexpected tensors", unexpected)
    wrong = [
        f"{name} is {list(found[name])}, expected {list(shape)}"
        for name, shape in wanted.items()
        if found[name] != shape and name not in skip
    ]
    if wrong:
        refuse("shapes differ", wrong)


def save_weights(model: "UNet", folder: Path) -> None:
    """Writes `model.safetensors` (contiguous, float32 as in the model) into an existing folder."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    # One key alone: several would be written in an order that changes from process to process,
    # and the same weights shall be the same bytes.
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    try:
        write_whole(folder / WEIGHTS_NAME, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise CheckpointError(
            f"The weights could not be written to {folder}: {error}. Free some space or choose "
            "another folder."
        ) from error
