"""The loopback Hub's routes of accounts and repositories: create, search, describe, branch, tag,
propose."""

import json
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from .hub_access import REPO, CurrentHub, Proposable, Visible, Writable
from .hub_cards import card_problems
from .hub_repos import KINDS, refusal

api = APIRouter()


@api.get("/api/whoami-v2")
async def whoami(hub: CurrentHub, request: Request) -> dict:
    if (user := hub.user(request)) is None:
        raise refusal(401, None, "Invalid username or password.")
    return {
        "type": "user",
        "name": user.name,
        "fullname": user.name,
        "orgs": [{"type": "org", "name": name, "roleInOrg": "write"} for name in user.orgs],
        "auth": {
            "type": "access_token",
            "accessToken": {"displayName": f"{user.name}'s", "role": user.role},
        },
    }


@api.post("/api/validate-yaml")
async def validate_card(request: Request) -> JSONResponse:
    asked = await request.json()
    problems = card_problems(asked["content"], asked.get("repoType") or "model")
    errors, warnings = ([{"message": text} for text in texts] for texts in problems)
    return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)


@api.post("/api/repos/create")
async def create_repo(hub: CurrentHub, request: Request, response: Response) -> dict:
    asked = await request.json()
    user, kind = hub.writer(request, asked.get("organization")), f"{asked.get('type') or 'model'}s"
    if kind == "spaces" and not asked.get("sdk"):
        raise refusal(400, None, '"sdk" is required')
    id = f"{asked.get('organization') or user.name}/{asked['name']}"
    if (kind, id) in hub.repos:
        response.status_code = 409  # the client reads the URL all the same
    else:
        private = asked.get("visibility") == "private"
        hub.plant(id, {}, kind=kind, private=private, sdk=asked.get("sdk"))
    prefix = "" if kind == "models" else f"{kind}/"
    return {"url": f"{hub.url}/{prefix}{id}", "name": id, "id": id}


@api.delete("/api/repos/delete")
async def delete_repo(hub: CurrentHub, request: Request) -> None:
    asked = await request.json()
    user = hub.writer(request, asked.get("organization"))
    id = f"{asked.get('organization') or user.name}/{asked['name']}"
    if hub.repos.pop((f"{asked.get('type') or 'model'}s", id), None) is None:
        raise refusal(404, "RepoNotFound", "Repository not found")


@api.get("/api/{kind}")
async def search(
    hub: CurrentHub,
    request: Request,
    kind: str,
    filter: Annotated[list[str], Query()] = [],  # noqa: B006
    author: str = "",
    search: str = "",
    pipeline_tag: str = "",
    limit: int = 1000,
) -> list:
    """What the user may see and every filter (a tag) fits, youngest first."""
    user = hub.user(request)
    if kind not in KINDS:
        raise refusal(404, None, "Not found")
    found = [
        repo
        for repo in hub.repos.values()
        if repo.kind == kind
        and (not repo.private or (user and user.owns(repo.owner)))
        and author in ("", repo.owner)
        and search.lower() in repo.id.lower()
        and set(filter) | ({pipeline_tag} - {""}) <= set(repo.described()["tags"])
    ]
    found.sort(key=lambda repo: repo.modified, reverse=True)
    return [repo.described() for repo in found[:limit]]


@api.get(REPO)
@api.get(REPO + "/revision/{revision}")
async def info(hub: CurrentHub, repo: Visible, revision: str = "main", blobs: bool = False) -> dict:
    """blobs: with size and ids of each file."""
    siblings: list[dict[str, Any]] = []
    for path, content in repo.at(revision)[1].items():
        siblings.append({"rfilename": path})
        if blobs:
            entry = hub.entry(path, content)
            siblings[-1] |= {"size": entry["size"], "blobId": entry["oid"]}
            if lfs := entry.get("lfs"):
                siblings[-1]["lfs"] = {**lfs, "sha256": lfs["oid"]}
    return {**repo.described(revision), "siblings": siblings}


@api.put(REPO + "/settings")
async def change_settings(repo: Writable, request: Request) -> None:
    asked = await request.json()
    if "visibility" in asked:
        repo.private = asked["visibility"] == "private"
    if "gated" in asked:
        repo.gated = bool(asked["gated"])


@api.get(REPO + "/refs")
async def refs(repo: Visible, include_prs: bool = False) -> dict:
    def described(names: dict[str, str], prefix: str = "") -> list[dict[str, str]]:
        return [
            {"name": name, "ref": prefix + name, "targetCommit": sha} for name, sha in names.items()
        ]

    answer = {
        "branches": described(repo.branches, "refs/heads/"),
        "tags": described(repo.tags, "refs/tags/"),
        "converts": [],
    }
    return answer | ({"pullRequests": described(repo.pulls)} if include_prs else {})


@api.get(REPO + "/commits/{revision}")
async def commits(repo: Visible, revision: str) -> list:
    """That commit's line of ancestors is not kept: all commits so far, youngest first."""
    repo.at(revision)
    return [
        {
            "id": sha,
            "title": title,
            "message": "",
            "date": repo.modified,
            "authors": [{"user": repo.owner}],
        }
        for sha, title in reversed(repo.titles.items())
    ]


@api.post(REPO + "/branch/{branch}")
async def create_branch(repo: Writable, branch: str, request: Request) -> None:
    branch, asked = unquote(branch), json.loads(await request.body() or "{}")
    if branch in repo.branches:
        raise refusal(409, None, f"Reference {branch} already exists")
    repo.branches[branch], _ = repo.at(asked.get("startingPoint", "main"))


@api.post(REPO + "/tag/{revision}")
async def create_tag(repo: Writable, revision: str, request: Request) -> None:
    tag = (await request.json())["tag"]
    if tag in repo.tags:
        raise refusal(409, None, f"Tag reference {tag} already exists")
    repo.tags[tag], _ = repo.at(revision)


@api.delete(REPO + "/{what}/{ref}")
async def delete_ref(repo: Writable, what: str, ref: str) -> None:
    names = {"branch": repo.branches, "tag": repo.tags}.get(what, {})
    if ref == "main" or names.pop(unquote(ref), None) is None:
        raise refusal(404, "RevisionNotFound", f"There is no {what} {ref}")


@api.post(REPO + "/discussions")
async def open_discussion(
    hub: CurrentHub, repo: Proposable, request: Request, asked: dict[str, Any]
) -> dict:
    if not asked.get("pullRequest"):
        raise refusal(400, None, "Only pull requests are kept here")
    return {"num": repo.propose(asked["title"], asked["description"], hub.user(request).name).num}


@api.get(REPO + "/discussions/{num}")
async def discussion(repo: Visible, num: int) -> dict:
    if not 0 < num <= len(repo.pull_requests):
        raise refusal(404, None, "There is no such discussion")
    pull = repo.pull_requests[num - 1]
    return {
        "num": num,
        "title": pull.title,
        "author": {"name": pull.author},
        "createdAt": repo.modified,
        "status": "open",
        "repo": {"name": repo.id, "type": repo.kind.removesuffix("s")},
        "isPullRequest": True,
        "changes": {"base": "refs/heads/main"},
        "filesWithConflicts": [],
        "events": [],
        "diff": "",
    }
