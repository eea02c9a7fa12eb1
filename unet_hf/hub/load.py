"""Loads checkpoints strictly, from safetensors only.

Every tensor of the file must belong to the network, every tensor of the network must be in the
file, and no layer stays random without a warning. Nothing from a repository is unpickled or
executed.
"""

import logging
from functools import partial
from pathlib import Path
from typing import NoReturn

import safetensors
import safetensors.torch
import torch

from ..errors import ConfigError, WeightsError
from ..network.configuration import check_labels
from ..network.network import Network
from .config_file import (
    MAX_HEADER_BYTES,
    build_without_memory,
    check_weights_fit,
    check_weights_size,
    read_config,
)
from .find import locate_checkpoint, read_address
from .layout import CONFIG_NAME, WEIGHTS_NAME
from .origin import Origin

HEAD = ("head.weight", "head.bias")
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# Parts of a configuration that belong to its classes: they go when others come.
OF_CLASSES = ("colors", "threshold", "title", "objects", "tracking")

logger = logging.getLogger(__name__)


def load_checkpoint(
    cls: type[Network],
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
) -> Network:
    """Loads a checkpoint; the work behind `UNet.from_pretrained`.

    Args:
        cls: The class to build.
        source: A shipped name, a folder, or "org/name" on the Hub; "org/name@revision" and the
            address of its page are understood, too.
        num_classes: Start a new task: the last layer gets new random weights for this many
            classes, everything else is loaded, unless number and names are those of the checkpoint.
        id2label: Names of the new classes; only together with `num_classes`. Without names, the
            same number of classes means the same task.
        revision: Branch, tag, "refs/pr/1" or commit of a Hub repository; "main" if None.
        subfolder: Folder of the checkpoint in the folder or repository, "x/y".
        token, cache_dir, local_files_only, force_download: As in huggingface_hub.

    If the Hub cannot be reached, the local cache is used, and a warning names its commit.

    Raises:
        CheckpointNotFoundError, CheckpointUnreachableError (HubBusyError, DownloadError),
        CheckpointAccessError, UnsafeRepositoryError, WeightsError, ConfigError.
    """
    source, revision, subfolder = read_address(source, revision, subfolder)
    place = locate_checkpoint(
        source,
        revision=revision,
        subfolder=subfolder,
        fits=partial(check_weights_fit, cls, source),
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    )
    folder = place.folder
    config = read_config(folder / CONFIG_NAME, cls.option_names(), source)
    new_head = num_classes is not None and num_classes != config["num_classes"]
    if num_classes is not None and id2label is not None and not new_head:
        known = check_labels(config.get("id2label"), num_classes)
        new_head = check_labels(id2label, num_classes) != known  # other names: another task
    if new_head:
        config |= {"num_classes": num_classes, "id2label": id2label}
        for name in OF_CLASSES:
            config.pop(name, None)
    elif id2label is not None and num_classes is None:
        raise ConfigError(
            "id2label alone would rename the classes of finished weights. Give num_classes too, "
            "to start a new task."
        )
    model = build_without_memory(cls, config, source)
    skip = HEAD if new_head else ()
    weights = read_weights(folder / WEIGHTS_NAME, model, source, skip=skip)
    if new_head:
        head = torch.nn.Conv2d(*model.head.weight.shape[1::-1], 1)
        torch.nn.init.normal_(head.weight, std=(2 / head.in_channels) ** 0.5)
        torch.nn.init.zeros_(head.bias)
        weights |= dict(zip(HEAD, (head.weight, head.bias), strict=True))
        logger.warning("The last layer of %s was drawn afresh for %d classes.", source, num_classes)
    model.load_state_dict(weights, assign=True)
    model.origin = Origin(str(source), *place)
    return model.to(memory_format=torch.channels_last).eval()


def read_weights(
    path: Path, model: Network, source: str | Path, skip: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Reads the tensors of a safetensors file: those of `model`, in its shapes and dtypes.

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
    check_weights_size(where, path.stat().st_size, model)
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
        tensors[name] = tensor.to(expected)  # before the check: a large float64 becomes infinite
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
