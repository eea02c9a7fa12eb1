"""Where a checkpoint lies: in this package, in a folder, or on the Hugging Face Hub.

From the Hub come files of one commit, or an error that is named after what is wrong.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import (
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    ConfigError,
    WeightsError,
)
from ..network.network import Network
from .client_errors import Name, is_offline, unreachable
from .config_file import check_size
from .download import Commit, ask, cached_folder
from .layout import (
    CONFIG_NAME,
    INT8_NAME,
    SHIPPED,
    WEIGHTS_NAME,
    is_evidence,
    is_inside,
    shipped_checkpoints,
)

__all__ = ["CONFIG_NAME", "SHIPPED", "WEIGHTS_NAME", "find_checkpoint", "shipped_checkpoints"]

# Raises if the weights cannot belong to the configuration: its path, bytes of the weights.
Fits = Callable[[Path, int], None]

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a checkpoint's files are.

    commit, subfolder: The Hub's commit, and the folder of the repository; None if they did not
        come from there, or lay at its root.
    """

    folder: Path
    commit: str | None = None
    subfolder: str | None = None


def find_checkpoint(source: str | Path, **options: Any) -> Path:
    """The local folder of a checkpoint; see `locate_checkpoint`."""
    return locate_checkpoint(source, **options).folder


def locate_checkpoint(
    source: str | Path,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    evidence: bool = False,
    fits: Fits | None = None,
    **hub: Any,
) -> Place:
    """Finds a checkpoint's folder; what lies on the Hub is downloaded first.

    Args:
        source: A shipped name, a folder, or "org/name" on the Hub. A folder with a shipped name
            is written with a slash, "./unet-isbi", or given as a `Path`.
        revision: Of a Hub repository: branch, tag, "refs/pr/1" or commit.
        subfolder: Where in the folder or repository the checkpoint lies, "x/y".
        evidence: Also the card, records and sample, where the repository has them. Otherwise
            configuration and weights alone are downloaded.
        fits: Called before weights are downloaded; by default `loading.check_size` for `UNet`.
        hub: token, cache_dir, local_files_only, force_download, as in huggingface_hub.

    Raises:
        ConfigError: `subfolder` leaves the repository, or the options contradict each other.
        CheckpointError: One of its subclasses, named after what is wrong.
    """
    text, inside = os.fspath(source), _checked_subfolder(subfolder)
    folder = Path(text)
    names = shipped_checkpoints()
    if isinstance(source, str) and text in names:
        if folder.is_dir():
            logger.warning(
                "%s is the checkpoint that ships with this package. The folder of that name here "
                "is './%s'.", text, text,
            )  # fmt: skip
        folder = SHIPPED / text
    elif "/" not in text and "\\" not in text and not folder.is_dir():
        if text not in names:
            raise CheckpointNotFoundError(
                f"There is no checkpoint {text!r}. Shipped with this package: {', '.join(names)}. "
                "A checkpoint on the Hub is written 'org/name'; a folder must exist."
            )
        folder = SHIPPED / text
    elif not folder.is_dir():
        name = Name(text, revision)
        commit = _from_hub(name, inside, evidence, fits or _fits_a_unet(text), **hub)
        return Place(commit / inside, commit.name, inside or None)
    folder = folder / inside
    for file in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / file).is_file():
            raise CheckpointNotFoundError(
                f"The folder {folder} has no {file}. A checkpoint has {CONFIG_NAME} and "
                f"{WEIGHTS_NAME}; `model.save_pretrained(folder)` writes both."
            )
    return Place(folder)


def _checked_subfolder(subfolder: str | None) -> str:
    """Without the slash at the end; "" for the top. Raises `ConfigError`."""
    inside = (subfolder or "").removesuffix("/")
    if subfolder and not is_inside(inside):
        raise ConfigError(
            f"subfolder={subfolder!r} is no folder of a repository. Write it relative and with "
            "forward slashes, such as 'folds/1'."
        )
    return inside


def _fits_a_unet(source: str) -> Fits:
    return partial(check_size, Network, source)


def _from_hub(
    name: Name,
    inside: str,
    evidence: bool,
    fits: Fits,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """The cache's folder of one commit, named after it, with the checkpoint's files in it."""
    if force_download and local_files_only:
        raise ConfigError(
            f"To load {name}, force_download=True asks for the network and local_files_only=True "
            "forbids it. Leave one of them out."
        )
    prefix = f"{inside}/" if inside else ""
    config, weights = prefix + CONFIG_NAME, prefix + WEIGHTS_NAME
    cached = cached_folder(name, [config, weights], cache_dir)
    # What a commit holds never changes: no need to ask.
    settled = name.is_commit and not evidence and not force_download
    if cached and (local_files_only or settled):
        return cached
    if local_files_only:
        raise unreachable(name, "local_files_only=True forbids to ask it")
    try:
        info = ask(name, token, cached is not None)
    except CheckpointUnreachableError as error:
        if cached is None or force_download:
            raise
        level = logging.INFO if is_offline(error) else logging.WARNING
        logger.log(level, "%s Loaded from the local cache: commit %s.", error, cached.name)
        return cached

    commit = Commit(name, info, token, cache_dir, force_download)
    for path in (config, weights):
        if path not in commit.sizes:
            raise WeightsError(
                f"{name} has no {path}, so it is no unet_hf checkpoint. Pickled weights "
                "(pytorch_model.bin, *.pth) are never loaded: they can run code."
            )
    config_file = commit.fetch(config)
    if (n_bytes := commit.size_of(weights)) is not None:
        fits(config_file, n_bytes)
    commit.fetch(weights)
    if prefix + INT8_NAME in commit.sizes:  # a prediction may depend on it
        commit.fetch_evidence(prefix + INT8_NAME)
    if evidence:
        for path in commit.sizes:
            if path.startswith(prefix) and is_evidence(path.removeprefix(prefix)):
                commit.fetch_evidence(path)
    return commit.remembered()
