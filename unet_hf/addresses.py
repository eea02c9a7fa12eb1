"""Names of repositories on the Hub as people paste them: `org/name`, a page's address, `hf://`.

Only the name is taken from an address. The Hub that is asked is always the configured one, so that
no token goes to the host of an address.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import ConfigError

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
TITLES = {"model": "a model", "dataset": "a data set", "space": "a Space"}
QUOTES = "'\"`<>“”„‘’«»"
SCHEME = re.compile(r"(https?|hf|ssh|git)://", re.IGNORECASE)
GIT = re.compile(r"git@([\w.-]+):", re.IGNORECASE)  # git@hf.co:org/name
PART = re.compile(r"[\w.-]+")
TREES = ("tree",)  # pages of a folder of a revision
FILES = ("blob", "resolve", "raw", "blame", "edit")  # pages of one file of a revision
COMMITS = ("commit", "commits")
NESTED = re.compile(r"@(refs)/(pr|convert)/")
SPECIAL = re.compile(r"(refs/(?:pr|convert)/[^/]+)(?:/(.*))?")  # revisions with slashes


@dataclass(frozen=True)
class HubName:
    """A repository "org/name" with the revision and the folder in it that an address names."""

    repo_id: str
    revision: str | None = None
    folder: str | None = None

    def __str__(self) -> str:
        """The spelling that every option of this package takes."""
        return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id


def without_quotes(text: str) -> str:
    """Returns a pasted name without the spaces and quotes around it."""
    return text.strip().strip(QUOTES).strip()


def looks_like_path(text: str) -> bool:
    """Whether a text can only be meant as a path of this machine, and not as a name on the Hub."""
    return text.startswith((".", "/", "~")) or "\\" in text or bool(re.match(r"[A-Za-z]:", text))


def read_hub_name(text: str, kind: str = "model", revision: str | None = None) -> HubName:
    """Reads a name on the Hub in any of the spellings that people paste.

    What is no name in any of them is returned as it is, for the caller to say what was expected.

    Args:
        kind: "model", "dataset" or "space", what the caller expects.
        revision: As given beside the name; None if not given.

    Raises:
        ConfigError: The address is of another host or another kind, names no single repository,
            or contradicts `revision`.
    """
    pasted = NESTED.sub(r"@\1%2F\2%2F", without_quotes(text))
    address = _is_address(pasted)
    if not address and looks_like_path(pasted):
        return HubName(text, revision)
    parts = _parts_of_address(pasted) if address else _parts(pasted)
    name = _read_parts(parts, pasted, kind, address)
    if revision and name.revision and revision != name.revision:
        raise ConfigError(
            f"{_shown(pasted)} names the revision {name.revision!r}, and {revision!r} is given "
            f"beside it. Write {name.repo_id!r} with one of them."
        )
    return HubName(name.repo_id, name.revision or revision, name.folder)


def read_repository(text: str, kind: str = "model") -> str:
    """Returns "org/name" of a repository to write to; a name without "org/" stays as it is.

    Raises:
        ConfigError: As for `read_hub_name`, or the name has a revision or a folder.
    """
    name = read_hub_name(text, kind)
    if name.revision or name.folder:
        raise ConfigError(
            f"{_shown(text)} names a revision or a folder, but a whole repository is written to. "
            f"Write {name.repo_id!r}; a branch has an option of its own."
        )
    return name.repo_id


def read_dataset_name(name: str, revision: str | None) -> tuple[str, str | None]:
    """Returns a data set's name and revision, read from any spelling; a local path stays.

    Raises:
        ConfigError: As for `read_hub_name`, or the path looks local and there is nothing.
    """
    pasted = without_quotes(name)
    for local in (name, pasted):
        if local and Path(local).expanduser().exists():
            return local, revision
    if pasted.endswith("/") and (hint := missing_here(pasted)):
        raise ConfigError(hint)
    found = read_hub_name(pasted, "dataset", revision)
    return found.repo_id, found.revision


def missing_here(name: str) -> str | None:
    """Returns a sentence if a name reads like a path into a folder of this machine, which has no
    such file or folder."""
    path = Path(name)
    if len(path.parts) < 2 or path.exists() or not path.parent.is_dir():
        return None
    return f"There is a folder {path.parent} here, but no {path.name} in it: check the path."


def _is_address(text: str) -> bool:
    host = text.split("/")[0].lower()
    return bool(SCHEME.match(text) or GIT.match(text)) or ("/" in text and host in _hosts())


def _hosts() -> tuple[str, ...]:
    """Returns the hosts whose addresses are understood: those of the Hub and the configured one."""
    own = urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc.lower()
    return (*HOSTS, own) if own else HOSTS


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _parts_of_address(text: str) -> list[str]:
    """Returns the parts of an address after its host, without query, fragment and account."""
    if text.lower().startswith("hf://"):
        return _parts(text[len("hf://") :])
    if git := GIT.match(text):
        host, path = git[1], text[git.end() :]
    else:
        split = urlsplit(text if SCHEME.match(text) else f"https://{text}")
        host, path = split.netloc.rpartition("@")[2], split.path
    if host.lower() not in _hosts():
        raise ConfigError(
            f"{_shown(text)} is an address of {host}, not of the Hugging Face Hub. Write "
            "'org/name' as on huggingface.co, or download it and name the folder."
        )
    parts = _parts(path)
    return parts[1:] if parts[:1] == ["api"] else parts


def _read_parts(parts: list[str], pasted: str, kind: str, address: bool) -> HubName:
    """Reads [kind] org name[@revision] [tree revision folder ...]."""
    seen = "model"
    if parts and parts[0].lower() in KINDS and len(parts) > (1 if address else 2):
        seen, parts = KINDS[parts[0].lower()], parts[1:]
    elif not address:
        seen = kind  # `org/name` alone is what the caller expects
    plain = HubName(pasted)
    old_name = seen == "dataset" and len(parts) == 1  # data sets like "squad" have no owner
    if len(parts) < 2 and not old_name:
        if not address:
            return plain
        raise ConfigError(
            f"{_shown(pasted)} names no repository. {_expected(kind)} is written 'org/name'."
        )
    count = 1 if old_name else 2
    name = _with_at("/".join(parts[:count]).removesuffix(".git"), plain)
    rest = parts[count:]
    if name is plain or (not address and rest and rest[0] not in (*TREES, *FILES, *COMMITS)):
        return plain
    if seen != kind:
        raise ConfigError(
            f"{_shown(pasted)} is the address of {TITLES[seen]}, {name.repo_id!r}. "
            f"{_expected(kind)} is expected here, written 'org/name'."
        )
    if not rest:
        return name
    if pasted.lower().startswith("hf://"):
        return _with_folder(name, "/".join(rest), pasted, kind)
    if len(rest) < 2 or rest[0] not in (*TREES, *FILES, *COMMITS):
        raise ConfigError(f"{_shown(pasted)} is a page of {name.repo_id}. Write {name.repo_id!r}.")
    revision, folder = _split_revision(rest[1:])
    if rest[0] in FILES:
        folder = folder.rpartition("/")[0]
    return _with_folder(HubName(name.repo_id, revision), folder, pasted, kind)


def _with_at(text: str, otherwise: HubName) -> HubName:
    """Reads "org/name@revision"; `otherwise` if it is no name."""
    name, at, revision = text.partition("@")
    if not all(PART.fullmatch(part) for part in name.split("/")) or (at and not revision):
        return otherwise
    return HubName(name, unquote(revision) or None)


def _split_revision(parts: list[str]) -> tuple[str, str]:
    """Splits main/x/y, draft%2F2/x and refs/pr/1/x into revision and folder."""
    text = "/".join(map(unquote, parts))
    if special := SPECIAL.fullmatch(text):
        return special[1], special[2] or ""
    revision = unquote(parts[0])
    return revision, text[len(revision) + 1 :]


def _with_folder(name: HubName, folder: str, pasted: str, kind: str) -> HubName:
    if folder and kind != "model":
        raise ConfigError(
            f"{_shown(pasted)} names a part of {name.repo_id}. Write {str(name)!r}, which is all "
            "of it."
        )
    return HubName(name.repo_id, name.revision, folder or None)


def _expected(kind: str) -> str:
    return TITLES[kind].capitalize() if kind != "space" else "A Space"


def _shown(text: str) -> str:
    """Returns a pasted address for a message: without account, query and fragment, which may
    hold a token."""
    plain = re.sub(r"[?#].*", "", without_quotes(text))
    return repr(re.sub(r"//[^/@]*@", "//", plain)[:200])
