"""Where checkpoints come from and how they are written: strict, safetensors only.

Every tensor of the file must be wanted, every wanted tensor must be in the file, and nothing
is random in silence. Nothing from a repository is unpickled or executed.
"""

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import safetensors
import safetensors.torch
import torch

from .errors import (
    CheckpointAccessError,
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    ConfigError,
    WeightsError,
)
from .files import write_whole

if TYPE_CHECKING:
    from .unet import UNet

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
SHIPPED = Path(__file__).parent / "checkpoints"
MAX_CONFIG_BYTES = 2**20
HEAD = ("head.weight", "head.bias")
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

logger = logging.getLogger(__name__)


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that come with the package, e.g. ["unet-isbi", ...]."""
    if not SHIPPED.is_dir():
        return []
    return sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{CONFIG_NAME}"))


def load_checkpoint(
    cls: "type[UNet]",
    source: str | Path,
    *,
    num_classes: int | None = None,
    id2label: dict[str, str] | None = None,
    revision: str | None = None,
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
        revision, token, cache_dir, local_files_only, force_download: As in huggingface_hub.

    Raises:
        CheckpointNotFoundError, CheckpointUnreachableError, CheckpointAccessError,
        WeightsError, ConfigError.
    """
    folder = find_checkpoint(
        source,
        revision=revision,
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
    try:
        with torch.device("meta"):  # shapes without memory: a hostile config allocates nothing
            model = cls(**config)
    except ConfigError as error:
        raise ConfigError(f"{CONFIG_NAME} of {source}: {error}") from error

    skip = HEAD if new_head else ()
    weights = read_weights(folder / WEIGHTS_NAME, model, source, skip=skip)
    if new_head:
        head = torch.nn.Conv2d(*model.head.weight.shape[1::-1], 1)
        torch.nn.init.normal_(head.weight, std=(2 / head.in_channels) ** 0.5)
        torch.nn.init.zeros_(head.bias)
        weights |= dict(zip(HEAD, (head.weight, head.bias), strict=True))
        logger.warning("The last layer of %s was drawn afresh for %d classes.", source, num_classes)
    model.load_state_dict(weights, assign=True)
    return model.to(memory_format=torch.channels_last).eval()


def find_checkpoint(source: str | Path, *, revision: str | None = None, **hub: Any) -> Path:
    """The local folder of a checkpoint; downloaded first if it lies on the Hub."""
    text = os.fspath(source)
    folder = Path(text)
    if "/" not in text and "\\" not in text and not folder.is_dir():
        names = shipped_checkpoints()
        if text in names:
            return SHIPPED / text
        raise CheckpointNotFoundError(
            f"There is no checkpoint {text!r}. Shipped with this package: {', '.join(names)}. "
            "A checkpoint on the Hub is written 'org/name'; a folder must exist."
        )
    if not folder.is_dir():
        return _download(text, revision, **hub)
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise CheckpointNotFoundError(
                f"The folder {text} has no {name}. A checkpoint has {CONFIG_NAME} and "
                f"{WEIGHTS_NAME}; `model.save_pretrained(folder)` writes both."
            )
    return folder


def _download(repo_id: str, revision: str | None, **options: Any) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HTTPError, RemoteEntryNotFoundError

    at = f"{repo_id} (revision {revision})" if revision else repo_id
    try:
        # One snapshot: configuration and weights come from the same commit.
        folder = Path(
            snapshot_download(
                repo_id,
                revision=revision,
                allow_patterns=[CONFIG_NAME, WEIGHTS_NAME],
                **options,
            )
        )
        for name in (CONFIG_NAME, WEIGHTS_NAME):
            if not (folder / name).is_file():
                # Missing in the repository, or only in the cache (another program's download of
                # the card makes a snapshot, too)? Asking for the file tells.
                hf_hub_download(repo_id, name, revision=folder.name, **options)
    except RemoteEntryNotFoundError as error:
        raise WeightsError(
            f"{at} has no {name}, so it is no unet_hf checkpoint. Pickled weights "
            "(pytorch_model.bin, *.pth) are never loaded: they can run code."
        ) from error
    except (HTTPError, OSError, ValueError) as error:
        raise _named(error, at, repo_id, revision) from error
    return folder


def _named(error: Exception, at: str, repo_id: str, revision: str | None) -> CheckpointError:
    """What huggingface_hub raised, as one of our errors, with the cure."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    cause = error.__cause__
    if (
        type(error) in (LocalEntryNotFoundError, ValueError)
        and isinstance(cause, HfHubHTTPError)
        and cause.response.status_code < 500
    ):
        error = cause  # the Hub was reached and refused; the error that hides it says otherwise

    if isinstance(error, HFValidationError):
        return CheckpointNotFoundError(
            f"{repo_id!r} is neither a folder here nor a Hub name of the form 'org/name'."
        )
    if isinstance(error, LocalTokenNotFoundError):
        return CheckpointAccessError(
            f"token=True asks for a token to load {at}, but none is stored. `hf auth login` "
            "stores one; public checkpoints need none."
        )
    if isinstance(error, GatedRepoError):
        return CheckpointAccessError(
            f"{at} is gated. Ask for access on its page, then log in with `hf auth login`."
        )
    if isinstance(error, RepositoryNotFoundError):
        return CheckpointNotFoundError(
            f"The Hub shows no model {repo_id}: misspelt, or private and the token is missing "
            "or not allowed to see it. Check the name; `hf auth login` sets the token."
        )
    if isinstance(error, RevisionNotFoundError):
        return CheckpointNotFoundError(
            f"{repo_id} has no revision {revision!r}. Use a branch, a tag or a commit of it."
        )
    if isinstance(error, HfHubHTTPError):
        return CheckpointAccessError(
            f"The Hub refused to serve {at}: status {error.response.status_code}. "
            "Try again later, or log in with `hf auth login`."
        )
    if isinstance(error, (LocalEntryNotFoundError, ConnectionError, HTTPError, ValueError)):
        return CheckpointUnreachableError(
            f"{at} is not in the local cache and the Hub was not reached. Check the network "
            "(and HF_HUB_OFFLINE, local_files_only), or use a checkpoint that ships: "
            f"{', '.join(shipped_checkpoints())}."
        )
    return CheckpointError(
        f"{at} could not be stored in the local cache: {error}. Free some space, or choose "
        "another folder with cache_dir or HF_HOME."
    )


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
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}. Restore it from its source.") from error
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
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{where} is a git-lfs pointer, not the weights. Run `git lfs pull` in the clone it "
            "comes from; if the Hub itself serves it, its owner must upload the weights again."
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _compare(where, wanted, found, skip)
            tensors = {name: file.get_tensor(name) for name in found if name not in skip}
    except safetensors.SafetensorError as error:
        raise WeightsError(
            f"{where} is not a readable safetensors file ({error}). Download it again."
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
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
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
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    try:
        write_whole(folder / WEIGHTS_NAME, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise CheckpointError(
            f"The weights could not be written to {folder}: {error}. Free some space or choose "
            "another folder."
        ) from error
