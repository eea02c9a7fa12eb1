"""What the loopback Hub keeps: people, repositories, and who may do what with which."""

import hashlib
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from fastapi import HTTPException, Request

from .hub_cards import front_matter, tags_of
from .hub_faults import Fault, Lost

Files = dict[str, bytes]  # path in the repository -> content
KINDS = ("models", "datasets", "spaces")
# `Dataset.push_to_hub` deletes each shard before it commits: only LFS takes the bytes in time.
PARQUET = ".parquet"
BIRTH = datetime(2026, 1, 1, tzinfo=timezone.utc)  # of every repository


def blob_id(content: bytes) -> str:
    """What git calls this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    """What LFS calls this content."""
    return hashlib.sha256(content).hexdigest()


def written(time: datetime) -> str:
    """A time in the one form that the client reads."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def refusal(status: int, code: str | None, message: str, **headers: str) -> HTTPException:
    """An error as the Hub words it: the client chooses its exception by `X-Error-Code`."""
    code_header = {"X-Error-Code": code} if code else {}
    return HTTPException(status, message, {"X-Error-Message": message, **code_header, **headers})


@dataclass(frozen=True)
class User:
    """Who a token stands for. role: "write", or "read" for a token that changes nothing."""

    name: str
    orgs: tuple[str, ...] = ()  # whose repositories are as good as one's own
    role: str = "write"

    def owns(self, owner: str) -> bool:
        return owner in (self.name, *self.orgs)


@dataclass
class PullRequest:
    """A proposal for main. Its commits are at refs/pr/<num>."""

    num: int
    title: str
    description: str
    author: str


@dataclass
class Repo:
    """One repository. kind: "models", "datasets" or "spaces", as in the API's paths."""

    kind: str
    id: str  # "owner/name"
    private: bool = False  # to all but the owner: looks as if it did not exist
    gated: bool = False  # to all but the owner: listed, but no file is served
    disabled: bool = False  # by the Hub's moderators: refused to everyone
    sdk: str | None = None  # of a Space
    commits: dict[str, Files] = field(default_factory=dict)  # 40 hex digits -> the whole tree
    titles: dict[str, str] = field(default_factory=dict)  # commit -> first line of its message
    branches: dict[str, str] = field(default_factory=dict)  # name -> commit
    tags: dict[str, str] = field(default_factory=dict)  # name -> commit
    pulls: dict[str, str] = field(default_factory=dict)  # "refs/pr/1" -> commit
    pull_requests: list[PullRequest] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    @property
    def modified(self) -> str:
        """Commits are an hour apart: later ones are younger, and the same in every run."""
        return written(BIRTH + timedelta(hours=len(self.commits)))

    def commit(self, files: Files, branch: str = "main", title: str = "") -> str:
        """Makes `files` the whole tree of a branch or of "refs/pr/1"; returns the new commit."""
        tree = [f"{path} {blob_id(content)}" for path, content in sorted(files.items())]
        text = "\n".join([f"{self.kind}/{self.id} {branch} {len(self.commits)}", *tree])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha], self.titles[sha] = dict(files), title
        (self.pulls if branch.startswith("refs/pr/") else self.branches)[branch] = sha
        return sha

    def propose(self, title: str, description: str, author: str) -> PullRequest:
        """A new pull request, which has main's files so far."""
        num = len(self.pull_requests) + 1
        self.pulls[f"refs/pr/{num}"] = self.branches["main"]
        self.pull_requests.append(PullRequest(num, title, description, author))
        return self.pull_requests[-1]

    def at(self, revision: str) -> tuple[str, Files]:
        """Commit and tree of a branch, tag, pull request or commit."""
        names = {**self.tags, **self.pulls, **self.branches}
        sha = names.get(unquote(revision), revision)
        if sha not in self.commits:
            raise refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, self.commits[sha]

    def described(self, revision: str = "main") -> dict[str, Any]:
        """What the API tells about the repository, its files apart."""
        sha, files = self.at(revision)
        card = front_matter(files.get("README.md", b"").decode("utf-8", "replace"))
        told = {
            "id": self.id,
            "author": self.owner,
            "sha": sha,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": self.disabled,
            "createdAt": written(BIRTH),
            "lastModified": self.modified,
            "downloads": 0,
            "likes": 0,
            "tags": tags_of(card),
            "cardData": card,
            "library_name": card.get("library_name"),
            "pipeline_tag": card.get("pipeline_tag"),
            "sdk": self.sdk,
        }
        return {key: value for key, value in told.items() if value is not None}


@dataclass
class Hub:
    """All repositories, the people who may use them, and what was asked of the server."""

    url: str
    users: dict[str, User]  # token -> who
    # Files with these endings go by LFS, and come from another host name, as from the Hub's CDN.
    lfs: tuple[str, ...] = ()
    # (kind, id) -> repository
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict, repr=False)
    # (method, raw path), in order
    requests: list[tuple[str, str]] = field(default_factory=list, repr=False)
    # sha256 -> uploaded, maybe not committed
    large: dict[str, bytes] = field(default_factory=dict, repr=False)
    fault: Fault | None = None  # what is wrong with the answers from now on

    def plant(self, id: str, files: Files, *, kind: str = "models", **options: Any) -> Repo:
        """Adds a repository as it stands, with options of `Repo`; nothing is checked."""
        repo = self.repos[kind, id] = Repo(kind, id, **options)
        repo.commit(files)
        return repo

    def drop_after(
        self, *, n_requests: int = sys.maxsize, n_bytes: int = sys.maxsize
    ) -> threading.Event:
        """Loses everyone's connection once one of these is used up, counted from now.

        n_requests: that many are answered. n_bytes: that many are sent of the contents of files,
        the last of which ends there. From then on connections are closed without an answer.
        Returns an event: somebody's request went unanswered.
        """
        self.fault = lost = Lost(n_requests, n_bytes)
        return lost.noticed

    def restore(self) -> None:
        """Answers as if nothing had been wrong."""
        self.fault = None

    def uploads_large(self, path: str) -> bool:
        return path.endswith((PARQUET, *self.lfs))

    def remote_id(self, path: str, content: bytes) -> str:
        """What the client compares its own file with, to skip one that did not change."""
        return sha256(content) if self.uploads_large(path) else blob_id(content)

    def entry(self, path: str, content: bytes) -> dict[str, Any]:
        """One file as the API describes it in a listing."""
        told = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
        if self.lfs and path.endswith(self.lfs):
            told["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
        return told

    def entries(self, files: Files) -> list[dict[str, Any]]:
        """All folders and files of a tree as the API describes them."""
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
        return [
            {"type": "directory", "path": path, "size": 0, "oid": blob_id(path.encode())}
            for path in sorted(folders)
        ] + [self.entry(path, content) for path, content in sorted(files.items())]

    def user(self, request: Request) -> User | None:
        """Who is behind the request's token, None without one."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            raise refusal(401, None, "Invalid credentials in Authorization header")
        return self.users.get(token)

    def writer(self, request: Request, owner: str | None) -> User:
        """Who asks to change something of `owner`'s (None: their own), if they may."""
        user = self.user(request)
        if user is None:
            raise refusal(401, None, "Invalid username or password.")
        if user.role != "write":
            raise refusal(403, None, "Your token is of the role read: it may change nothing.")
        if owner is not None and not user.owns(owner):
            raise refusal(403, None, f"You have no write access to {owner}.")
        return user

    def repo(self, request: Request, need: str) -> Repo:
        """The path's repository, if the user may "see" it, "read" its files, "propose" or "write"
        changes to them."""
        path = request.path_params
        kind, owner = path.get("kind", "models"), path["owner"]
        user, repo = self.user(request), self.repos.get((kind, f"{owner}/{path['name']}"))
        own = user is not None and user.owns(owner)
        if repo is None or (repo.private and not own):
            # The Hub tells nobody without a token whether a name is taken.
            raise refusal(404 if user else 401, "RepoNotFound", "Repository not found")
        if repo.disabled:
            raise refusal(403, None, "Access to this resource is disabled.")
        if need != "see" and repo.gated and not own:
            raise refusal(403 if user else 401, "GatedRepo", f"Access to {repo.id} is restricted.")
        if need in ("propose", "write"):
            self.writer(request, owner if need == "write" else None)
        return repo
