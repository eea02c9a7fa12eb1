"""A Hub on the loopback: the HTTP interface that unmodified huggingface_hub and datasets speak.

Repositories live in memory. Every upload but parquet (see `LARGE`) is "regular"; neither xet nor
a second server is needed. Whatever is not answered here is a 404, which the client never retries.

    with running_hub({"hf_token": "alice"}) as hub:
        hub.plant("alice/cells", {"README.md": b"# Cells"}, kind="datasets")
        subprocess.run(command, env=client_environment(hub, tmp_path, "hf_token"))
"""

import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.params import Depends as Dependency

from .hub_faults import Connection, Fault, Lost

Files = dict[str, bytes]  # path in the repository -> content
ROOT = Path(__file__).parent.parent
CLOSED = "http://127.0.0.1:1"  # a proxy that answers to nobody
# `Dataset.push_to_hub` deletes each shard before it commits: only LFS takes the bytes in time.
LARGE = ".parquet"
REPO = "/api/{kind}/{owner}/{name}"  # a {revision} after it may be quoted: refs%2Fpr%2F1
FILE = "{owner}/{name}/resolve/{revision}/{path:path}"
BATCH = "{owner}/{name}.git/info/lfs/objects/batch"

api = APIRouter()


def blob_id(content: bytes) -> str:
    """What git calls this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def remote_id(path: str, content: bytes) -> str:
    """What the client compares its own file with, to skip one that did not change."""
    return hashlib.sha256(content).hexdigest() if path.endswith(LARGE) else blob_id(content)


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
    large: dict[str, bytes] = field(default_factory=dict)  # sha256 -> uploaded, maybe not committed
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


def entries(files: Files) -> list[dict[str, Any]]:
    """All folders and files of a tree as the API describes them."""
    folders = {parent for path in files for parent in PurePosixPath(path).parents}
    return [
        {"type": "directory", "path": str(path), "size": 0, "oid": blob_id(bytes(path))}
        for path in sorted(folders)
    ] + [
        {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
        for path, content in sorted(files.items())
    ]


@api.get(REPO + "/tree/{revision}")
@api.get(REPO + "/tree/{revision}/{folder:path}")
async def tree(repo: Visible, revision: str, folder: str = "", recursive: bool = False) -> list:
    _, files = repo.at(revision)
    top = PurePosixPath(unquote(folder))
    reach = None if recursive else 1  # of all that contain an entry, or of the nearest
    found = [
        entry for entry in entries(files) if top in [*PurePosixPath(entry["path"]).parents][:reach]
    ]
    if folder and not found:
        raise refusal(404, "EntryNotFound", f"{top} does not exist")
    return found


@api.post(REPO + "/paths-info/{revision}")
async def paths_info(repo: Visible, revision: str, request: Request) -> list:
    """The entries of those paths that exist. The body is a form: paths=a&paths=b&expand=False."""
    asked = parse_qs((await request.body()).decode()).get("paths", [])
    return [entry for entry in entries(repo.at(revision)[1]) if entry["path"] in asked]


@api.post(REPO + "/preupload/{revision}")
async def preupload(repo: Writable, revision: str, request: Request) -> dict:
    _, files = repo.at(revision)
    answers = [
        {
            "path": (path := file["path"]),
            "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
            "oid": remote_id(path, files[path]) if path in files else None,
            "shouldIgnore": False,
        }
        for file in (await request.json())["files"]
    ]
    return {"files": answers}


@api.post("/" + BATCH)
@api.post("/{kind}/" + BATCH)
async def upload_large(hub: CurrentHub, repo: Writable, request: Request) -> dict:
    objects = [
        {**file, "actions": {"upload": {"href": f"{hub.url}/large/{file['oid']}"}}}
        for file in (await request.json())["objects"]
    ]
    return {"transfer": "basic", "objects": objects}


@api.put("/large/{oid}")
async def store_large(hub: CurrentHub, oid: str, request: Request) -> None:
    """Without a token, as the real one: who may upload has been asked before."""
    content = await request.body()
    if hashlib.sha256(content).hexdigest() != oid:
        raise refusal(400, None, "This is not the announced content")
    hub.large[oid] = content


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
        elif key == "lfsFile":
            if value["oid"] not in hub.large:
                raise refusal(400, None, f"{value['path']} has not been uploaded")
            files[value["path"]] = hub.large[value["oid"]]
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

    async def answer(scope: dict, receive: Any, send: Any) -> None:
        """Notes the request, and routes by the raw path, where %2F belongs to a name."""
        scope["path"] = scope["raw_path"].decode()
        hub.requests.append((scope["method"], scope["path"]))
        faulty = app if hub.fault is None else partial(hub.fault, app)
        await faulty(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections wait from here on
        hub = app.state.hub = Hub(f"http://127.0.0.1:{listener.getsockname()[1]}", users)
        config = uvicorn.Config(answer, http=Connection, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.should_exit = True
            thread.join()


def client_environment(hub: Hub, home: Path, token: str | None = None) -> dict[str, str]:
    """All environment variables of a process that is to know this Hub and nothing else.

    home: where it keeps its cache. token: its user's; None, the process has none. Whatever it
    asks of another address fails at once. Hugging Face's libraries read all this when they are
    imported, and are offline with HF_HUB_OFFLINE=1 and HF_DATASETS_OFFLINE=1 in its place.
    """
    foreign = ("HF_", "HUGGING", "TRANSFORMERS_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "http_proxy": CLOSED,
        "https_proxy": CLOSED,
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return environment if token is None else environment | {"HF_TOKEN": token}
