"""Pushes a checkpoint's folder to the Hub: one commit with all of it, or none and an error."""

import logging
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

from ..addresses import read_repository
from ..errors import CheckpointError, PushError
from .card import CardOptions, merge_cards, render_card
from .find import find_checkpoint
from .layout import (
    CARD_NAME,
    CURVE_NAME,
    EXPORT_FOLDERS,
    RELIABILITY_NAME,
    TRAINING_NAME,
    belongs_to_checkpoint,
)
from .records import CheckpointRecords, checkpoint_hashes
from .reliability import bins_of
from .retry import (
    Answer,
    asked_wait,
    has_transient_status,
    is_answer_lost,
    is_broken_connection,
    retry_transient,
)

WAITS = (0.5, 1.5)  # seconds before the second and the third try
PATIENCE = 10.0  # seconds, without the waits, after which no further try begins
LONGEST_WAIT = 30.0  # seconds; if the Hub asks for a longer wait, there is no further try
MAY_EXIST = (401, 402, 403, 409)  # statuses when creating a repository that may exist already
CONFLICT = 412  # status: somebody else committed in the meantime

logger = logging.getLogger(__name__)


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    commit_message: str = "Checkpoint with its evidence",
    space: str | None = None,
    waits: tuple[float, ...] = WAITS,
) -> CommitInfo:
    """Uploads the checkpoint in `folder`; see `UNet.push_to_hub` for the options.

    An edited card on the Hub keeps everything but our section. Files of others stay. Records and
    exports of an older checkpoint are deleted.

    Args:
        space: Hub id of a Space with the demo, for the card's link.
        waits: Seconds between tries while the Hub fails or cannot be reached.

    Raises:
        PushError: The Hub did not take it, and nothing of the checkpoint is there. The message
            names a repository or branch that was created. Trying again is safe, unless the
            message says that a pull request may be open.
    """
    repo_id = read_repository(repo_id)
    api, made = HfApi(token=token), CreatedOnHub()
    if create_pr and (branch or tag):
        raise PushError(
            "A pull request goes to the main branch and has no commit to tag yet. Leave out "
            "branch and tag, or create_pr."
        )

    def push() -> CommitInfo:
        name = repo_id if create_pr else writable_repository(api, repo_id, private, made=made)
        if branch:
            made.create(f"the branch {branch}", partial(api.create_branch, name, branch=branch))
        head = api.model_info(name, revision=branch)
        there = {sibling.rfilename for sibling in head.siblings or ()}
        card = _card(api, folder, name, head.sha if CARD_NAME in there else None, space)
        files = published_files(folder)
        operations: list[Any] = [CommitOperationAdd(CARD_NAME, card.encode())]
        operations += [CommitOperationAdd(path, str(folder / path)) for path in files]
        stale = sorted(filter(belongs_to_checkpoint, there - {CARD_NAME, *files}))
        stale += _other_exports(folder, name, head.sha, there, token)
        operations += [CommitOperationDelete(path) for path in stale]
        commit = partial(
            api.create_commit,
            name,
            operations,
            commit_message=commit_message,
            revision=branch,
            create_pr=create_pr,
            parent_commit=head.sha,
        )
        return propose_once(commit, name) if create_pr else commit()

    def add_tag() -> None:
        name = commit.repo_url.repo_id
        api.create_tag(name, tag=tag, revision=commit.oid, exist_ok=True)

    if tag:
        push_with_retries(lambda: _refuse_taken_tag(api, repo_id, tag), repo_id, waits)
    commit = push_with_retries(push, repo_id, waits, made=made)
    if tag:
        push_with_retries(
            add_tag, repo_id, waits, f"The checkpoint is there as commit {commit.oid}. "
        )
    return commit


def published_files(folder: Path) -> list[str]:
    """Lists the files of `folder` that go to the Hub, without the card and stale records."""
    evidence = CheckpointRecords.read(folder)
    stale = set(evidence.stale)
    if not bins_of(evidence.evaluation):
        stale.add(RELIABILITY_NAME)
    if TRAINING_NAME in stale:
        stale.add(CURVE_NAME)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(filter(belongs_to_checkpoint, found - stale - {CARD_NAME}))


class CreatedOnHub:
    """What a push has created on the Hub besides its commit; it stays if the push fails."""

    def __init__(self) -> None:
        self._certain: dict[str, bool] = {}  # False: requested, but the answer was lost

    def create(self, what: str, call: Callable[..., Any]) -> Any:
        """Calls `call(exist_ok=...)`, which creates `what` unless it exists; returns its answer."""
        from huggingface_hub.errors import HfHubHTTPError

        try:
            answer = call(exist_ok=False)
        except Exception as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if status in MAY_EXIST:
                answer = call(exist_ok=True)
                if what in self._certain:  # created by an earlier try whose answer was lost
                    self._certain[what] = True
                return answer
            if is_answer_lost(error):
                self._certain[what] = False
            raise
        self._certain[what] = True
        return answer

    def __str__(self) -> str:
        """Sentences for an error message, with a space before them; "" if nothing was created."""
        text = ""
        for certain, words in (
            (True, "Made for it, and still there"),
            (False, "Maybe made for it"),
        ):
            if names := [what for what, known in self._certain.items() if known is certain]:
                text += f" {words}: {', '.join(names)}."
        return f"{text} The next push uses what is there." if text else ""


def propose_once(commit: Callable[[], CommitInfo], repo_id: str) -> CommitInfo:
    """Opens a pull request, with one try.

    Raises `PushError`, which is not retried, if the answer is lost: the pull request may be open,
    and the same commit sent again would open a second one.
    """
    from huggingface_hub.errors import HTTPError

    try:
        return commit()
    except (HTTPError, OSError) as error:
        if not is_answer_lost(error):
            raise
    raise PushError(
        f"The answer of the Hub was lost, so it is not known whether the pull request to {repo_id} "
        "was opened. Look at its pull requests (the tab Community) before you push again."
    )


def writable_repository(
    api: HfApi,
    repo_id: str,
    private: bool | None = None,
    repo_type: str = "model",
    made: CreatedOnHub | None = None,
) -> str:
    """Returns the full id of a repository that the token may write to; creates it if missing.

    To create a repository that exists succeeds for everyone, so its owner is compared with the
    accounts of the token. Raises what the client raises, and PermissionError.

    Args:
        made: Notes whether the repository was created.
    """
    account = api.whoami()
    full = repo_id if "/" in repo_id else f"{account['name']}/{repo_id}"
    owner = full.partition("/")[0]
    owned = {account["name"], *(org["name"] for org in account.get("orgs", []))}
    if owner not in owned:
        raise PermissionError(f"{account['name']} may write to {', '.join(sorted(owned))}")
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise PermissionError("the token in use can read but not write")
    create = partial(api.create_repo, full, repo_type=repo_type, private=private)
    return (made or CreatedOnHub()).create(f"the repository {full}", create).repo_id


def push_with_retries(
    work: Callable[[], Answer],
    repo_id: str,
    waits: tuple[float, ...],
    done: str = "",
    made: CreatedOnHub | None = None,
) -> Answer:
    """Calls `work`, again after each wait while the Hub fails; its last error is a `PushError`.

    Args:
        done: A sentence on what was achieved before, for the message.
        made: What `work` creates on the Hub, for the message.
    """
    from huggingface_hub.errors import HTTPError

    def attempt() -> Answer:
        try:
            return work()
        except RuntimeError as caught:
            # A failed upload of large files hides its reason in a RuntimeError.
            cause = caught.__cause__ if type(caught) is RuntimeError else None
            if not isinstance(cause, (HTTPError, OSError, ValueError)):
                raise
            raise cause from None

    try:
        return retry_transient(
            attempt,
            waits,
            longest_wait=LONGEST_WAIT,
            is_transient=_is_transient,
            # The client retries some requests itself, for up to half a minute; that is enough.
            patience=PATIENCE,
            before_wait=lambda error: logger.warning(
                "%s: trying again", push_failure(error, repo_id)
            ),
        )
    except PushError as error:
        text = str(error)
    except (HTTPError, OSError, ValueError) as error:
        text = f"{done}{push_failure(error, repo_id)}"
    # Raised outside of `except`: the request in the error would show the token, see
    # `harmless_cause`.
    raise PushError(f"{text}{made or ''}")


def push_failure(error: Exception, repo_id: str) -> str:
    """Says in one sentence why the push failed, and in one what to do."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    login = (
        "Log in with `hf auth login`, or set HF_TOKEN to a token with write access to it, or "
        "name another repository."
    )
    if isinstance(error, OfflineModeIsEnabled):
        return f"{repo_id} cannot be pushed to offline. Unset HF_HUB_OFFLINE."
    if isinstance(error, LocalTokenNotFoundError):
        return f"{repo_id} cannot be written to: there is no token. {login}"
    if isinstance(error, PermissionError):
        return f"{repo_id} cannot be written to: {error}. {login}"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 401:
            return f"{repo_id} cannot be written to: the Hub does not know the token. {login}"
        if status == 403:
            return f"{repo_id} cannot be written to: the token may not (status 403). {login}"
        if status == 404:
            return f"The Hub has no {repo_id} that the token may see, or no such branch. {login}"
        if status == 412:
            return (
                f"Others committed to {repo_id} at the same time, again and again. Nothing of it "
                "is lost; push again in a moment."
            )
        if status == 429:
            wait = asked_wait(error)
            when = f"in {wait} s" if wait else "in a few minutes"
            return f"{repo_id}: the Hub asks for fewer requests (status 429). Push again {when}."
        if status >= 500:
            return f"{repo_id}: the Hub is in trouble (status {status}); push again later."
        return (
            f"The Hub refused the push to {repo_id}: {_plain(error)}. Mend that, then push again."
        )
    if isinstance(error, (HTTPError, ConnectionError, TimeoutError)):
        return (
            f"The Hub could not be reached, or the connection broke, while pushing to "
            f"{repo_id}; check the network, then push again. What arrived is not sent twice."
        )
    return f"{repo_id} could not be pushed to: {_plain(error)}. Mend that, then push again."


def _is_transient(error: Exception) -> bool:
    response = getattr(error, "response", None)
    conflict = response is not None and response.status_code == CONFLICT
    return conflict or has_transient_status(error) or is_broken_connection(error)


def _plain(error: Exception) -> str:
    """The client's message on one line, without addresses and tokens."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"hf_\w{4,}|https?://\S+", "...", text)[:300].rstrip(". ")


def _refuse_taken_tag(api: HfApi, repo_id: str, tag: str) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    full = repo_id if "/" in repo_id else f"{api.whoami()['name']}/{repo_id}"
    try:
        taken = {reference.name for reference in api.list_repo_refs(full).tags}
    except RepositoryNotFoundError:
        return  # it will be created
    if tag in taken:
        raise PushError(
            f"{full} already has a tag {tag!r}, which people may rely on. Choose another; nothing "
            "was pushed."
        )


def _other_exports(
    folder: Path, name: str, head: str, there: set[str], token: str | None
) -> list[str]:
    """Lists the exports on the Hub that were made from other weights than those in `folder`."""
    exports = sorted(path for path in there if path.startswith(EXPORT_FOLDERS))
    if not exports:
        return []
    try:
        same = checkpoint_hashes(
            find_checkpoint(name, revision=head, token=token)
        ) == checkpoint_hashes(folder)
    except CheckpointError:  # it cannot be loaded, so it does not hold these weights
        same = False
    return [] if same else exports


def _card(api: HfApi, folder: Path, name: str, head: str | None, space: str | None) -> str:
    """Renders the card for the Hub: the folder's, merged with the one at commit `head`."""
    local = folder / CARD_NAME
    written = local.read_text(encoding="utf-8") if local.is_file() else None
    card = render_card(folder, CardOptions(name, space=space), written)
    if head is None:
        return card
    with tempfile.TemporaryDirectory() as temporary:
        path = api.hf_hub_download(name, CARD_NAME, revision=head, local_dir=temporary)
        return merge_cards(Path(path).read_text(encoding="utf-8"), card)
