"""The loopback Hub's routes of files: list, upload, commit, download."""

import base64
import json
import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote

from fastapi import APIRouter, Request, Response

from .hub_access import REPO, CurrentHub, Proposable, Readable, Visible
from .hub_repos import Hub, Repo, blob_id, refusal, sha256

FILE = "{owner}/{name}/resolve/{revision}/{path:path}"
BATCH = "{owner}/{name}.git/info/lfs/objects/batch"

api = APIRouter()


@api.get(REPO + "/tree/{revision}")
@api.get(REPO + "/tree/{revision}/{folder:path}")
async def tree(
    hub: CurrentHub, repo: Visible, revision: str, folder: str = "", recursive: bool = False
) -> list:
    found = hub.entries(repo.at(revision)[1])
    if folder or not recursive:
        top = PurePosixPath(unquote(folder))
        reach = None if recursive else 1  # of all that contain an entry, or of the nearest
        found = [entry for entry in found if top in [*PurePosixPath(entry["path"]).parents][:reach]]
        if folder and not found:
            raise refusal(404, "EntryNotFound", f"{top} does not exist")
    return found


@api.post(REPO + "/paths-info/{revision}")
async def paths_info(hub: CurrentHub, repo: Visible, revision: str, request: Request) -> list:
    """The entries of those paths that exist. The body is a form: paths=a&paths=b&expand=False."""
    asked = parse_qs((await request.body()).decode()).get("paths", [])
    return [entry for entry in hub.entries(repo.at(revision)[1]) if entry["path"] in asked]


def check_target(hub: Hub, repo: Repo, revision: str, request: Request, create_pr: bool) -> None:
    """Who only reads a repository may change pull requests to it, and nothing else."""
    if not create_pr and not unquote(revision).startswith("refs/pr/"):
        hub.writer(request, repo.owner)


@api.post(REPO + "/preupload/{revision}")
async def preupload(
    hub: CurrentHub, repo: Proposable, revision: str, request: Request, create_pr: bool = False
) -> dict:
    check_target(hub, repo, revision, request, create_pr)
    _, files = repo.at(revision)
    answers = [
        {
            "path": (path := file["path"]),
            "uploadMode": "lfs" if hub.uploads_large(path) else "regular",
            "oid": hub.remote_id(path, files[path]) if path in files else None,
            "shouldIgnore": False,
        }
        for file in (await request.json())["files"]
    ]
    return {"files": answers}


@api.post("/" + BATCH)
@api.post("/{kind}/" + BATCH)
async def upload_large(hub: CurrentHub, repo: Proposable, request: Request) -> dict:
    """Where to send each object; nowhere, if it has been sent before."""
    objects = (await request.json())["objects"]
    for file in objects:
        if file["oid"] not in hub.large:
            href = f"{hub.url}/large/{file['oid']}"
            verify = f"{href}/verify"
            file["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
    return {"transfer": "basic", "objects": objects}


@api.put("/large/{oid}")
async def store_large(hub: CurrentHub, oid: str, request: Request) -> None:
    """Without a token, as the real one: who may upload has been asked before."""
    content = await request.body()
    if sha256(content) != oid:
        raise refusal(400, None, "This is not the announced content")
    hub.large[oid] = content


@api.post("/large/{oid}/verify")
async def verify_large(hub: CurrentHub, oid: str, request: Request) -> None:
    if len(hub.large.get(oid, b"")) != (await request.json())["size"]:
        raise refusal(404, None, "The object has not arrived")


@api.post(REPO + "/commit/{revision}")
async def commit(
    hub: CurrentHub, repo: Proposable, revision: str, request: Request, create_pr: bool = False
) -> dict:
    check_target(hub, repo, revision, request, create_pr)
    parent, files = repo.at(revision)
    files, header = dict(files), {}
    for line in (await request.body()).splitlines():
        key, value = (entry := json.loads(line))["key"], entry["value"]
        if {"", ".."} & set(value.get("path", "file").rstrip("/").split("/")):
            raise refusal(400, None, f"{value['path']} is not a path in the repository")
        if key == "header":
            header = value
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
    title, target, answer = header.get("summary", ""), unquote(revision), {}
    page = f"{hub.url}/{repo.id}" if repo.kind == "models" else f"{hub.url}/{repo.kind}/{repo.id}"
    if create_pr:
        pull = repo.propose(title, header.get("description", ""), hub.user(request).name)
        target = f"refs/pr/{pull.num}"
        answer["pullRequestUrl"] = f"{page}/discussions/{pull.num}"
    sha = repo.commit(files, target, title)
    return {**answer, "success": True, "commitOid": sha, "commitUrl": f"{page}/commit/{sha}"}


@api.api_route("/" + FILE, methods=["GET", "HEAD"])
@api.api_route("/{kind}/" + FILE, methods=["GET", "HEAD"])
async def resolve(
    hub: CurrentHub, repo: Readable, revision: str, path: str, request: Request
) -> Response:
    sha, files = repo.at(revision)
    path = unquote(path)
    if (content := files.get(path)) is None:
        raise refusal(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": sha})
    headers = {"X-Repo-Commit": sha, "ETag": f'"{blob_id(content)}"'}
    if hub.lfs and path.endswith(hub.lfs):
        oid = sha256(content)
        hub.large[oid] = content
        # Another host name, as the Hub's CDN has: the client must not show it the token.
        headers["Location"] = hub.url.replace("127.0.0.1", "localhost") + f"/large/{oid}"
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        return Response(None, 302, headers)
    return part_of(content, request, headers)


@api.api_route("/large/{oid}", methods=["GET", "HEAD"])
async def fetch_large(hub: CurrentHub, oid: str, request: Request) -> Response:
    """The address is the permission; a token beside it is refused, as storage services do."""
    if "Authorization" in request.headers:
        raise refusal(400, None, "Only one way to authenticate is allowed")
    return part_of(hub.large[oid], request, {"ETag": f'"{oid}"'})


def part_of(content: bytes, request: Request, headers: dict[str, str]) -> Response:
    """All of a content, or the range that was asked for."""
    part = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if part is None:
        return Response(content, 200, headers, "application/octet-stream")
    first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
    if first > last:
        raise refusal(416, None, "No such range", **{"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, "application/octet-stream")
