"""An export beside the weights on the Hub, in one commit: `onnx/model.onnx`, as Optimum and
Transformers.js have it."""

import tempfile
from pathlib import Path, PurePosixPath

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi

from ..addresses import read_repository
from ..errors import CheckpointNotFoundError, PushError, WeightsError
from ..hub.find import find_checkpoint
from ..hub.layout import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME
from ..hub.push import WAITS, push_with_retries, writable_repository
from ..hub.records import checkpoint_hashes
from . import Exported

LINE = "Also as [{path}]({path}); [how to use it]({text})."


def push_export(
    exported: Exported,
    repo_id: str,
    *,
    token: str | None = None,
    waits: tuple[float, ...] = WAITS,
) -> CommitInfo:
    """Commits the exported files into the folder of their format, and a line to the card.

    Args:
        repo_id: With the very weights that were exported.
        token: With write access; that of `hf auth login` or HF_TOKEN if None.
        waits: Seconds between tries, where the Hub stumbles or cannot be reached.

    Raises:
        PushError: The Hub did not take it, or has other weights there. The repository is as it
            was; trying again is safe.
    """
    repo_id = read_repository(repo_id)
    api = HfApi(token=token)

    def push() -> CommitInfo:
        head = api.model_info(repo_id)
        name = head.id
        _check_weights(exported, name, head.sha, token)
        writable_repository(api, name)
        folder = exported.description["format"]
        files = {f"{folder}/{path.name}": str(path) for path in exported.files}
        operations = [CommitOperationAdd(path, local) for path, local in files.items()]
        if any(sibling.rfilename == CARD_NAME for sibling in head.siblings or ()):
            card = _card_with_line(api, name, head.sha, f"{folder}/{exported.path.name}")
            operations.append(CommitOperationAdd(CARD_NAME, card.encode()))
        return api.create_commit(
            name,
            operations,
            commit_message=f"The weights as {exported.path.name}",
            parent_commit=head.sha,
        )

    return push_with_retries(push, repo_id, waits)


def _check_weights(exported: Exported, name: str, commit: str, token: str | None) -> None:
    try:
        seen = checkpoint_hashes(find_checkpoint(name, revision=commit, token=token))
    except (CheckpointNotFoundError, WeightsError) as error:
        raise PushError(
            f"{name} holds no checkpoint to put the export beside. Push that first, with "
            f"`model.push_to_hub({name!r})`."
        ) from error
    if any(seen[part] != exported.description[part] for part in (CONFIG_NAME, WEIGHTS_NAME)):
        raise PushError(
            f"{name} holds other weights or another configuration than what was exported. Export "
            f"{name} itself, or push the model there first."
        )


def _card_with_line(api: HfApi, name: str, commit: str, path: str) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        card = api.hf_hub_download(name, CARD_NAME, revision=commit, local_dir=temporary)
        text = Path(card).read_text(encoding="utf-8")
    line = LINE.format(path=path, text=str(PurePosixPath(path).with_suffix(".md")))
    return text if line in text else f"{text.rstrip()}\n\n{line}\n"
