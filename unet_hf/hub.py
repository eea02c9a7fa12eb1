"""Where a checkpoint lies: in this package, in a folder, or on the Hugging Face Hub.

From the Hub come two files of one commit, or an error that is named after what is wrong.
"""

import os
from pathlib import Path
from typing import Any

from .errors import (
    CheckpointAccessError,
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    WeightsError,
)

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
SHIPPED = Path(__file__).parent / "checkpoints"


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that come with the package, e.g. ["unet-isbi", ...]."""
    if not SHIPPED.is_dir():
        return []
    return sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{CONFIG_NAME}"))


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
    """The folder of one commit of a Hub repository, with its configuration and weights.

    Raises:
        CheckpointError: One of its subclasses, named after what is wrong.
    """
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
