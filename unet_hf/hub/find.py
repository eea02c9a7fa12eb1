"""Finds a checkpoint: in this package, in a folder, or on the Hugging Face Hub.

All files from the Hub are of one commit. Each failure has its own error class.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..addresses import missing_here, read_hub_name, without_quotes
from ..errors import (
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    ConfigError,
    WeightsError,
)
from ..network.network import Network
from .client_errors import RepoRef, is_offline, unreachable
from .config_file import check_weights_fit
from .download import Commit, cached_folder, fetch_repo_info
from .layout import (
    CONFIG_NAME,
    INT8_NAME,
    SCOPE_NAME,
    SHIPPED,
    WEIGHTS_NAME,
    is_evidence,
    is_safe_relative_path,
    shipped_checkpoints,
)

__all__ = ["CONFIG_NAME", "SHIPPED", "WEIGHTS_NAME", "find_checkpoint", "shipped_checkpoints"]

# Takes the path of the configuration and the size of the weights in bytes; raises if the weights
# cannot belong to it.
Fits = Callable[[Path, int], None]

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Place of a checkpoint's files.

    folder: The local folder.
    commit: The Hub's commit; None if they did not come from the Hub.
    subfolder: Their folder in the repository; None if it is the root.
    """

    folder: Path
    commit: str | None = None
    subfolder: str | None = None


def find_checkpoint(source: str | Path, **options: Any) -> Path:
    """Finds the local folder of a checkpoint; see `locate_checkpoint`."""
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
    """Finds a checkpoint's folder; a checkpoint on the Hub is downloaded first.

    Args:
        source: A shipped name, a folder, or "org/name" on the Hub, which may also be
            "org/name@revision" or the address of its page. A folder with a shipped name is written
            with a slash, "./unet-isbi", or given as a `Path`.
        revision: Branch, tag, "refs/pr/1" or commit of a Hub repository.
        subfolder: Folder of the checkpoint in the folder or repository, "x/y".
        evidence: Also the card, records and sample, where the repository has them. Otherwise
            only configuration and weights are downloaded.
        fits: Called before weights are downloaded; by default `check_weights_fit` for `Network`.
        hub: token, cache_dir, local_files_only, force_download, as in huggingface_hub.

    Raises:
        ConfigError: `subfolder` leaves the repository, or the options contradict each other.
        CheckpointError: One of its subclasses, named after what is wrong.
    """
    source, revision, subfolder = read_address(source, revision, subfolder)
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
        name = RepoRef(text, revision)
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


def read_address(
    source: str | Path, revision: str | None = None, subfolder: str | None = None
) -> tuple[str | Path, str | None, str | None]:
    """Returns a checkpoint's name, revision and subfolder, read from any spelling of a Hub name.

    An existing folder and a `Path` stay as they are.

    Raises:
        ConfigError: The address is of no model, or contradicts `revision` or `subfolder`.
        CheckpointNotFoundError: The path looks local, and there is nothing.
    """
    if not isinstance(source, str) or Path(source).is_dir():
        return source, revision, subfolder
    pasted = without_quotes(source)
    if pasted and Path(pasted).is_dir():
        return pasted, revision, subfolder
    if pasted.endswith("/") and (hint := missing_here(pasted)):
        raise CheckpointNotFoundError(hint)
    name = read_hub_name(source, revision=revision)
    if name.folder and subfolder and name.folder != subfolder.removesuffix("/"):
        raise ConfigError(
            f"The address of {name.repo_id} names the folder {name.folder!r}, and "
            f"subfolder={subfolder!r} is given beside it. Leave out one of them."
        )
    return name.repo_id, name.revision, subfolder or name.folder


def _checked_subfolder(subfolder: str | None) -> str:
    """A subfolder without its final slash, "" for the root. Raises `ConfigError`."""
    inside = (subfolder or "").removesuffix("/")
    if subfolder and not is_safe_relative_path(inside):
        raise ConfigError(
            f"subfolder={subfolder!r} is no folder of a repository. Write it relative and with "
            "forward slashes, such as 'folds/1'."
        )
    return inside


def _fits_a_unet(source: str) -> Fits:
    return partial(check_weights_fit, Network, source)


def _from_hub(
    name: RepoRef,
    inside: str,
    evidence: bool,
    fits: Fits,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Downloads a checkpoint; returns the cache's folder of its commit."""
    if force_download and local_files_only:
        raise ConfigError(
            f"To load {name}, force_download=True asks for the network and local_files_only=True "
            "forbids it. Leave one of them out."
        )
    prefix = f"{inside}/" if inside else ""
    config, weights = prefix + CONFIG_NAME, prefix + WEIGHTS_NAME
    cached = cached_folder(name, [config, weights], cache_dir)
    # The content of a commit never changes, so the Hub need not be asked.
    settled = name.is_commit and not evidence and not force_download
    if cached and (local_files_only or settled):
        return cached
    if local_files_only:
        raise unreachable(name, "local_files_only=True forbids to ask it")
    try:
        info = fetch_repo_info(name, token, cached is not None)
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
    for record in (INT8_NAME, SCOPE_NAME):  # results depend on them
        if prefix + record in commit.sizes:
            commit.fetch_evidence(prefix + record)
    if evidence:
        for path in commit.sizes:
            if path.startswith(prefix) and is_evidence(path.removeprefix(prefix)):
                commit.fetch_evidence(path)
    return commit.write_ref()
