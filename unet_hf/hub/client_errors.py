"""Turns errors of huggingface_hub into `CheckpointError`s that name the cure."""

import re
from dataclasses import dataclass

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from ..errors import (
    CheckpointAccessError,
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointUnreachableError,
    DownloadError,
    HubBusyError,
)
from .layout import is_safe_relative_path, shipped_checkpoints
from .retry import asked_wait, has_transient_status

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class RepoRef:
    """A model repository and a revision of it; `str()` is how messages name them."""

    repo_id: str
    revision: str | None

    def __post_init__(self) -> None:
        try:
            validate_repo_id(self.repo_id)
        except HFValidationError as error:
            raise CheckpointNotFoundError(
                f"{self.repo_id!r} is neither a folder here nor a Hub name of the form 'org/name'."
            ) from error
        if self.revision is not None and not is_safe_relative_path(self.revision):
            raise self.no_such_revision()

    def __str__(self) -> str:
        return f"{self.repo_id} (revision {self.revision})" if self.revision else self.repo_id

    @property
    def is_commit(self) -> bool:
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None

    def no_such_revision(self) -> CheckpointNotFoundError:
        """Makes the error for a revision that the repository does not have."""
        return CheckpointNotFoundError(
            f"{self.repo_id} has no revision {self.revision!r}. Use a branch, a tag or a commit "
            "of it."
        )


def is_offline(error: Exception) -> bool:
    """Whether the Hub was not asked because HF_HUB_OFFLINE forbids it."""
    return isinstance(error.__cause__, OfflineModeIsEnabled)


def unreachable(name: RepoRef, why: str, *, cached: bool = False) -> CheckpointUnreachableError:
    """Makes the error for a Hub that was not reached.

    cached: A copy is in the cache, whether or not it may be used.
    """
    if cached:
        return CheckpointUnreachableError(
            f"The Hub was not reached for {name}: {why}. Check the network (and HF_HUB_OFFLINE)."
        )
    return CheckpointUnreachableError(
        f"There is no folder {name.repo_id} here, {name} is not in the local cache, and the Hub "
        f"was not reached: {why}. Check the spelling and the network "
        "(and HF_HUB_OFFLINE, local_files_only), or use a checkpoint that ships: "
        f"{', '.join(shipped_checkpoints())}."
    )


def as_checkpoint_error(
    error: Exception, name: RepoRef, cached: bool, path: str | None = None
) -> CheckpointError:
    """Turns an error of huggingface_hub into one of ours, with the cure."""
    cause = error.__cause__
    if type(error) in (LocalEntryNotFoundError, ValueError) and isinstance(cause, Exception):
        error = cause  # the wrapping error of the client says less

    copy = " A copy is in the cache: local_files_only=True loads it." if cached else ""
    if isinstance(error, LocalTokenNotFoundError):
        return CheckpointAccessError(
            f"token=True asks for a token to load {name}, but none is stored. `hf auth login` "
            "stores one; public checkpoints need none."
        )
    if isinstance(error, GatedRepoError):
        return CheckpointAccessError(
            f"{name} is gated. Ask for access on its page, then log in with `hf auth login`.{copy}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return CheckpointNotFoundError(
            f"The Hub shows no model {name.repo_id}, and there is no such folder here: misspelt, "
            "or private and the token is missing or not allowed to see it. Check the name; "
            f"`hf auth login` sets the token.{copy}"
        )
    if isinstance(error, RevisionNotFoundError):
        return name.no_such_revision()
    if isinstance(error, HfHubHTTPError):
        status, reason = error.response.status_code, error.response.reason_phrase
        if has_transient_status(error):
            wait = asked_wait(error)
            when = f"in {wait} seconds" if wait else "later"
            return HubBusyError(
                f"The Hub answered {status} ({reason}) for {name}: it cannot serve this now. "
                f"Try again {when}."
            )
        if status == 401:
            return CheckpointAccessError(
                f"The Hub does not know the token that asks for {name} (status 401). "
                f"`hf auth login` stores another; token=False asks without.{copy}"
            )
        return CheckpointAccessError(
            f"The Hub refused to serve {name}: status {status} ({reason}). Try again later, or "
            f"log in with `hf auth login`.{copy}"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return unreachable(name, "HF_HUB_OFFLINE forbids to ask it", cached=cached)
    if path and (isinstance(error, HTTPError) or "Consistency check" in str(error)):
        return DownloadError(
            f"The download of {path} of {name} broke off ({type(error).__name__}); nothing half is "
            "kept. Check the network and try again."
        )
    if path is None or isinstance(error, (HTTPError, ConnectionError)):
        return unreachable(name, f"{type(error).__name__}, no answer", cached=cached)
    return CheckpointError(
        f"{name} could not be stored in the local cache: {error}. Free some space, or choose "
        "another folder with cache_dir or HF_HOME."
    )
