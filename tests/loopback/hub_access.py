"""What the loopback Hub's routes have in common: who asks, for which repository, and may they."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from .hub_repos import Hub, Repo

REPO = "/api/{kind}/{owner}/{name}"  # a {revision} after it may be quoted: refs%2Fpr%2F1


async def current_hub(request: Request) -> Hub:
    return request.app.state.hub


def allowed(need: str) -> Dependency:
    async def check(request: Request) -> Repo:
        return request.app.state.hub.repo(request, need)

    return Depends(check)


CurrentHub = Annotated[Hub, Depends(current_hub)]
Visible = Annotated[Repo, allowed("see")]
Readable = Annotated[Repo, allowed("read")]
Proposable = Annotated[Repo, allowed("propose")]
Writable = Annotated[Repo, allowed("write")]
