"""Pushes a taught checkpoint to a new repository in the visitor's own account.

Their token comes with the click and goes to the Hub alone: it is kept by nothing here.
"""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils import HFValidationError, validate_repo_id

from unet_hf.addresses import read_repository
from unet_hf.errors import ConfigError
from unet_hf.hub.push import WAITS, push_folder, push_with_retries

from ..server.checkpoints.models import Visitor
from .sitting import Lesson
from .take_home import usual_name, write_checkpoint

COMMIT_MESSAGE = "Taught checkpoint"


def push_taught(
    lesson: Lesson,
    name: str,
    is_private: bool,
    visitor: Visitor,
    pushed: set[str],
    new_folder: Callable[[], Path],
) -> str:
    """Pushes the checkpoint in one commit; returns the address of its repository.

    name: Of the repository; empty: `usual_name`. is_private: Of a repository that is created.
    pushed: Repositories that were created for this sitting, which alone are pushed to again; a new
        one is added. new_folder: Gives an empty folder.

    Raises:
        ConfigError: The name is not usable, or is taken.
        PushError: The Hub did not take it; the message says what to do.
        CheckpointNotFoundError: The taught checkpoint is no longer kept.
    """
    repository = repository_named(name or usual_name(lesson), visitor)
    if repository not in pushed:
        api = HfApi(token=visitor.token)
        # Asked before anything is sent: to create what exists already would succeed.
        if push_with_retries(lambda: api.repo_exists(repository), repository, WAITS):
            raise ConfigError(
                f"You have a repository {repository} already, and nothing in it is replaced. "
                "Choose another name."
            )
        # From here on it is this sitting's, also if the Hub is lost after it was created.
        pushed.add(repository)
    commit = push_folder(
        write_checkpoint(lesson, new_folder()),
        repository,
        token=visitor.token,
        private=is_private,
        commit_message=COMMIT_MESSAGE,
    )
    return str(commit.repo_url)


def repository_named(name: str, visitor: Visitor) -> str:
    """ "alice/name", of a name as people type or paste it.

    Raises `ConfigError` if it is no name, or of another account.
    """
    typed = read_repository(name.strip())
    owner, slash, _ = typed.partition("/")
    if slash and owner != visitor.name:
        raise ConfigError(
            f"{typed[:200]} is in another account. Only repositories of {visitor.name} can be made "
            "here: write a name without a slash."
        )
    repository = typed if slash else f"{visitor.name}/{typed}"
    try:
        validate_repo_id(repository)
    except HFValidationError:
        usable = False
    else:
        usable = True
    if not usable:
        raise ConfigError(
            f"{name[:200]!r} cannot be the name of a repository. Use letters, digits, '-', '_' and "
            "'.', without two of '-' or '.' in a row and none at the ends: unet-nuclei-taught."
        )
    return repository
