"""Downloads files of one commit of a Hub repository into huggingface_hub's cache.

By itself the client asks for the commit of each file separately, and tries a dead Hub six times
over 24 seconds. Here one short request settles the commit and tells names and sizes. Transient
errors are retried twice, and every failure becomes a named error.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import (
    HfApi,
    HfFileMetadata,
    ModelInfo,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)

from ..errors import (
    CheckpointAccessError,
    CheckpointError,
    ConfigError,
    DownloadError,
    UnsafeRepositoryError,
    harmless_cause,
)
from ..files import write_text
from .client_errors import COMMIT, RepoRef, as_checkpoint_error, unreachable
from .layout import (
    CONFIG_NAME,
    INT8_NAME,
    MAX_CONFIG_BYTES,
    MAX_EVIDENCE_BYTES,
    MAX_INT8_BYTES,
    is_safe_relative_path,
)
from .retry import Answer, has_transient_status, retry_transient

CONNECT_SECONDS, ANSWER_SECONDS = 2, 10
WAITS = (0.3, 0.7)  # seconds before the second and the third try
LONGEST_WAIT = 1  # second; if the Hub asks for a longer wait, the user decides

logger = logging.getLogger(__name__)


def cached_folder(name: RepoRef, paths: list[str], cache_dir: str | Path | None) -> Path | None:
    """Finds the cached commit that the revision last stood for, if it has all the files."""
    where = None if cache_dir is None else Path(cache_dir).expanduser()
    found = try_to_load_from_cache(name.repo_id, paths[0], where, name.revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parents[paths[0].count("/")]
    return folder if all((folder / path).is_file() for path in paths) else None


def fetch_repo_info(name: RepoRef, token: str | bool | None, cached: bool) -> ModelInfo:
    """Asks the Hub for the revision's commit, and the names and sizes of its files.

    Raises:
        CheckpointError: One of its subclasses, within three seconds unless the Hub is slow to
            answer.
    """
    _check_token(token)
    # A single number would be too short for a slow answer or too long for a dead address.
    timeout: Any = (CONNECT_SECONDS, ANSWER_SECONDS, ANSWER_SECONDS, ANSWER_SECONDS)

    def model_info() -> ModelInfo:
        info = HfApi(library_name="unet_hf").model_info(
            name.repo_id,
            revision=name.revision,
            token=token,
            timeout=timeout,
            files_metadata=True,
        )
        if not COMMIT.fullmatch(str(info.sha)) or info.siblings is None:
            raise ValueError("no commit in the answer")
        return info

    def explain(error: Exception) -> CheckpointError:
        if isinstance(error, (KeyError, TypeError, ValueError)):
            why = "what answered is no Hub, perhaps a proxy or a login page"
            return unreachable(name, why, cached=cached)
        return as_checkpoint_error(error, name, cached)

    info = _retry(model_info, explain)
    for sibling in info.siblings:
        if not is_safe_relative_path(sibling.rfilename):
            raise UnsafeRepositoryError(
                f"{name} names a file outside itself, {sibling.rfilename[:80]!r}. Nothing of it "
                "was downloaded; tell the Hub's people, and use another repository."
            )
    return info


class Commit:
    """The files of one commit on the Hub.

    sizes: path -> bytes; None where the listing does not say, see `size_of`.
    """

    def __init__(
        self,
        name: RepoRef,
        info: ModelInfo,
        token: str | bool | None,
        cache_dir: str | Path | None,
        force_download: bool,
    ) -> None:
        self.name, self.sha = name, str(info.sha)
        self.sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
        self._token, self._cache_dir, self._forced = token, cache_dir, force_download
        self._snapshot: Path | None = None

    def size_of(self, path: str) -> int | None:
        """Size of a file in bytes, from the listing or the Hub. Raises `CheckpointError`."""
        if self.sizes[path] is None and self._cached(path) is None:
            self.sizes[path] = self._ask_about(path).size
        return self.sizes[path]

    def fetch(self, path: str) -> Path:
        """Downloads a file unless the cache has it whole. Raises `CheckpointError`."""
        size = self.size_of(path)
        if path.endswith(CONFIG_NAME) and size is not None and size > MAX_CONFIG_BYTES:
            raise ConfigError(
                f"{path} of {self.name} has {size / 1e6:.1f} MB; a configuration has a few "
                "kilobytes. It was not downloaded."
            )
        file = self._download(path, self._forced)
        if size is not None and file.stat().st_size != size:
            logger.warning("%s of %s is damaged; downloading it again.", path, self.name)
            file = self._download(path, force=True)
            if file.stat().st_size != size:
                raise DownloadError(
                    f"{path} of {self.name} came damaged: {file.stat().st_size} of {size} bytes. "
                    "Try again later, with force_download=True."
                )
        self._snapshot = file.parents[path.count("/")]
        return file

    def fetch_evidence(self, path: str) -> None:
        """Downloads a card, record or sample; leaves out a file that is far too large."""
        size = self.size_of(path)
        name = path.rpartition("/")[2]
        limit = MAX_INT8_BYTES if name == INT8_NAME else MAX_EVIDENCE_BYTES
        if size is not None and size > limit:
            logger.warning("%s of %s is left out: %.0f MB.", path, self.name, size / 1e6)
        else:
            self.fetch(path)

    def write_ref(self) -> Path:
        """Notes in the cache that the revision stands for this commit; returns its folder.

        To be called when all files are there: an incomplete commit would hide the earlier one.
        """
        snapshot = self._snapshot
        if not self.name.is_commit:
            note = snapshot.parents[1] / "refs" / (self.name.revision or "main")
            try:
                note.parent.mkdir(parents=True, exist_ok=True)
                write_text(note, self.sha)
            except OSError as error:  # a cache that one may only read
                logger.info("%s is not noted in the cache: %s", self.name, error)
        return snapshot

    def _cached(self, path: str) -> Path | None:
        return cached_folder(RepoRef(self.name.repo_id, self.sha), [path], self._cache_dir)

    def _download(self, path: str, force: bool) -> Path:
        copy = self._cached(path)
        if copy and not force:
            return copy / path
        # `hf_hub_download` asks this, too, but for 24 seconds if the Hub is not well.
        about = self._ask_about(path)
        # Both become parts of paths in the cache, so they must be harmless.
        if about.commit_hash != self.sha or not re.fullmatch(r"[\w-]+", about.etag or ""):
            raise DownloadError(
                f"{path} of {self.name} came as the file {about.etag!r} of the commit "
                f"{about.commit_hash!r}, which the Hub would not answer. Check HF_ENDPOINT and "
                "the network."
            )
        file = _retry(
            lambda: hf_hub_download(
                self.name.repo_id,
                path,
                revision=self.sha,
                token=self._token,
                cache_dir=self._cache_dir,
                force_download=force,
            ),
            lambda error: as_checkpoint_error(error, self.name, cached=False, path=path),
        )
        return Path(file)

    def _ask_about(self, path: str) -> HfFileMetadata:
        url = hf_hub_url(self.name.repo_id, path, revision=self.sha)
        return _retry(
            lambda: get_hf_file_metadata(url, token=self._token),
            lambda error: as_checkpoint_error(error, self.name, cached=False, path=path),
        )


def _retry(call: Callable[[], Answer], explain: Callable[[Exception], CheckpointError]) -> Answer:
    """Makes a call, repeated after transient errors; `explain` turns its last error into ours."""
    try:
        return retry_transient(
            call, WAITS, longest_wait=LONGEST_WAIT, is_transient=has_transient_status
        )
    except Exception as error:
        failure, cause = explain(error), harmless_cause(error)
    raise failure from cause


def _check_token(token: str | bool | None) -> None:
    """Refuses a token that fits no HTTP header: the client's own error would print it."""
    text = token if isinstance(token, str) else get_token() if token is not False else None
    if text and not re.fullmatch(r"[!-~]+", text):
        raise CheckpointAccessError(
            "The token holds a space, a line break or a letter that no token has. Copy it again, "
            "or store it with `hf auth login`."
        )
