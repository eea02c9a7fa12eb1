"""A Hub on the loopback: the HTTP interface that an unmodified huggingface_hub speaks.

Repositories live in memory. Every upload is "regular", so that neither LFS nor xet nor a second
server is needed. Whatever is not answered here is a 404, which the client never retries.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import unquote

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.params import Depends as Dependency

Files = dict[str, bytes]  # path in the repository -> content
REPO = "/api/{kind}/{owner}/{name}"  # a {revision} after it may be quoted: refs%2Fpr%2F1
FILE = "{owner}/{name}/resolve/{revision}/{path:path}"

api = APIRouter()


def blob_id(content: bytes) -> str:
    """What git calls this content; the client compares it to skip files that did not change."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def refusal(status: int, code: str | None, message: str, **headers: str) -> HTTPException:
    """An error as the Hub words it: the client chooses its exception by `X-Error-Code`."""
    code_header = {"X-Error-Code": code} if code else {}
    return HTTPException(status, message, {"X-Error-Message": message, **code_header, **headers})


@dataclass
class Repo:
    """One repository. kind: "models", "datasets" or "spaces", as in the API's paths."""

    kind: str
    id: str  # "owner/name"
    private: bool = False  # to all but the owner: looks as if it did not exist
    gated: bool = False  # to all but the owner: listed, but no file is served
    disabled: bool = False  # by the Hub's moderators: refused to everyone
    commits: dict[str, Files] = field(default_factory=dict)  # 40 hex digits -> the whole tree
    branches: dict[str, str] = field(default_factory=dict)  # name -> commit

    def commit(self, files: Files, branch: str = "main") -> str:
        """Makes `files` the branch's whole tree; returns the new commit."""
        tree = [f"{path} {blob_id(content)}" for path, content in sorted(files.items())]
        text = "\n".join([f"{self.kind}/{self.id} {branch} {len(self.commits)}", *tree])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha], self.branches[branch] = dict(files), sha
        return sha

    def at(self, revision: str) -> tuple[str, Files]:
        """Commit and tree of a branch or commit."""
        sha = self.branches.get(unquote(revision), revision)
        if sha not in self.commits:
            raise refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, self.commits[sha]


@dataclass
class Hub:
    """All repositories, the people who may use them, and what was asked of the server."""

    url: str
    users: dict[str, str]  # token -> name
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)  # (kind, id) -> repository
    requests: list[tuple[str, str]] = field(default_factory=list)  # (method, raw path), in order

    def plant(self, id: str, files: Files, *, kind: str = "models", **options: Any) -> Repo:
        """Adds a repository as it stands, with options of `Repo`; nothing is checked."""
        repo = self.repos[kind, id] = Repo(kind, id, **options)
        repo.commit(files)
        return repo

    def user(self, request: Request) -> str | None:
        """Name behind the request's token, None without one."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            raise refusal(401, None, "Invalid credentials in Authorization header")
        return self.users.get(token)

    def repo(self, request: Request, need: str) -> Repo:
        """The path's repository, if the user may "see" it, "read" its files or "write" them."""
        path = request.path_params
        kind, owner = path.get("kind", "models"), path["owner"]
        user, repo = self.user(request), self.repos.get((kind, f"{owner}/{path['name']}"))
        if repo is None or (repo.private and user != owner):
            # The Hub tells nobody without a token whether a name is taken.
            raise refusal(404 if user else 401, "RepoNotFound", "Repository not found")
        if repo.disabled:
            raise refusal(403, None, "Access to this resource is disabled.")
        if need == "read" and repo.gated and user != owner:
            raise refusal(403 if user else 401, "GatedRepo", f"Access to {repo.id} is restricted.")
        if need == "write" and user != owner:
            raise refusal(403, None, f"You have no write access to {repo.id}.")
        return repo


async def current_hub(request: Request) -> Hub:
    return request.app.state.hub


def allowed(need: str) -> Dependency:
    async def check(request: Request) -> Repo:
        return request.app.state.hub.repo(request, need)

    return Depends(check)


CurrentHub = Annotated[Hub, Depends(current_hub)]
Visible = Annotated[Repo, allowed("see")]
Readable = Annotated[Repo, allowed("read")]
Writable = Annotated[Repo, allowed("write")]


@api.get("/api/whoami-v2")
async def whoami(hub: CurrentHub, request: Request) -> dict:
    if (user := hub.user(request)) is None:
        raise refusal(401, None, "Invalid username or password.")
    return {"type": "user", "name": user, "fullname": user, "orgs": [], "auth": {}}


@api.post("/api/validate-yaml")
async def validate_card() -> dict:
    return {"errors": [], "warnings": []}


@api.post("/api/repos/create")
async def create_repo(hub: CurrentHub, request: Request, response: Response) -> dict:
    user, asked = hub.user(request), await request.json()
    owner, kind = asked.get("organization") or user, f"{asked.get('type') or 'model'}s"
    if user is None or owner != user:
        raise refusal(403 if user else 401, None, f"You may not create repositories of {owner}.")
    id = f"{owner}/{asked['name']}"
    if (kind, id) in hub.repos:
        response.status_code = 409  # the client reads the URL all the same
    else:
        hub.plant(id, {}, kind=kind, private=asked.get("visibility") == "private")
    prefix = "" if kind == "models" else f"{kind}/"
    return {"url": f"{hub.url}/{prefix}{id}", "name": id, "id": id}


@api.get(REPO)
@api.get(REPO + "/revision/{revision}")
async def info(repo: Visible, revision: str = "main") -> dict:
    sha, files = repo.at(revision)
    siblings = [{"rfilename": path} for path in files]
    access = {"private": repo.private, "gated": "manual" if repo.gated else False}
    return {"id": repo.id, "sha": sha, "siblings": siblings, "tags": [], **access}


@api.get(REPO + "/refs")
async def refs(repo: Visible) -> dict:
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
        for name, sha in repo.branches.items()
    ]
    return {"branches": branches, "tags": [], "converts": [], "pullRequests": []}


@api.post(REPO + "/branch/{branch}")
async def create_branch(repo: Writable, branch: str, request: Request) -> None:
    branch, asked = unquote(branch), json.loads(await request.body() or "{}")
    if branch in repo.branches:
        raise refusal(409, None, f"Reference {branch} already exists")
    repo.branches[branch], _ = repo.at(asked.get("startingPoint", "main"))


@api.get(REPO + "/tree/{revision}")
@api.get(REPO + "/tree/{revision}/{folder:path}")
async def tree(repo: Visible, revision: str, folder: str = "", recursive: bool = False) -> list:
    _, files = repo.at(revision)
    folders = {parent for path in files for parent in PurePosixPath(path).parents}
    top = PurePosixPath(unquote(folder))
    if folder and top not in folders:
        raise refusal(404, "EntryNotFound", f"{top} does not exist")
    entries = [
        {"type": "directory", "path": str(path), "size": 0, "oid": blob_id(bytes(path))}
        for path in sorted(folders)
    ] + [
        {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
        for path, content in sorted(files.items())
    ]
    reach = None if recursive else 1  # of all that contain an entry, or of the nearest
    return [entry for entry in entries if top in [*PurePosixPath(entry["path"]).parents][:reach]]


@api.post(REPO + "/preupload/{revision}")
async def preupload(repo: Writable, revision: str, request: Request) -> dict:
    _, files = repo.at(revision)
    oids = {path: blob_id(content) for path, content in files.items()}
    asked = [file["path"] for file in (await request.json())["files"]]
    answer = {"uploadMode": "regular", "shouldIgnore": False}
    return {"files": [{"path": path, "oid": oids.get(path), **answer} for path in asked]}


@api.post(REPO + "/commit/{revision}")
async def commit(hub: CurrentHub, repo: Writable, revision: str, request: Request) -> dict:
    parent, files = repo.at(revision)
    files = dict(files)
    for line in (await request.body()).splitlines():
        key, value = (entry := json.loads(line))["key"], entry["value"]
        if key == "header":
            if value.get("parentCommit") not in (None, parent):
                raise refusal(412, None, "A commit has happened since. Please refresh.")
        elif key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key in ("deletedFile", "deletedFolder"):
            gone = PurePosixPath(value["path"])
            files = {
                path: content
                for path, content in files.items()
                if gone not in (PurePosixPath(path), *PurePosixPath(path).parents)
            }
        else:
            raise refusal(400, None, f"{key} is not supported here")
    sha = repo.commit(files, unquote(revision))
    return {"success": True, "commitOid": sha, "commitUrl": f"{hub.url}/{repo.id}/commit/{sha}"}


@api.api_route("/" + FILE, methods=["GET", "HEAD"])
@api.api_route("/{kind}/" + FILE, methods=["GET", "HEAD"])
async def resolve(repo: Readable, revision: str, path: str, request: Request) -> Response:
    sha, files = repo.at(revision)
    if (content := files.get(unquote(path))) is None:
        raise refusal(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": sha})
    headers = {"X-Repo-Commit": sha, "ETag": f'"{blob_id(content)}"'}
    part = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if part is None:
        return Response(content, 200, headers, "application/octet-stream")
    first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
    if first > last:
        raise refusal(416, None, "No such range", **{"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, "application/octet-stream")


@contextmanager
def running_hub(users: dict[str, str]) -> Iterator[Hub]:
    """Serves a `Hub` from a thread on a free port until the block ends. users: token -> name."""
    app = FastAPI(openapi_url=None)
    app.include_router(api)

    async def recorded(scope: dict, receive: Any, send: Any) -> None:
        """Notes the request, and routes by the raw path, where %2F belongs to a name."""
        scope["path"] = scope["raw_path"].decode()
        hub.requests.append((scope["method"], scope["path"]))
        await app(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections wait from here on
        hub = app.state.hub = Hub(f"http://127.0.0.1:{listener.getsockname()[1]}", users)
        server = uvicorn.Server(uvicorn.Config(recorded, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.should_exit = True
            thread.join()
