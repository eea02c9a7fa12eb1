"""A Hub on the loopback: the HTTP interface that unmodified huggingface_hub and datasets speak.

Repositories live in memory. Every upload but parquet is "regular" unless `large` says otherwise;
neither xet nor a second server is needed. Whatever is not answered here is a 404, which the client
never retries.

    with running_hub({"hf_token": "alice"}) as hub:
        hub.plant("alice/cells", {"README.md": b"# Cells"}, kind="datasets")
        subprocess.run(command, env=client_environment(hub, tmp_path, "hf_token"))
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from . import hub_accounts, hub_contents
from .hub_faults import Connection
from .hub_repos import Files, Hub, Repo, User

__all__ = ["Files", "Hub", "Repo", "User", "client_environment", "running_hub"]

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:1"  # a proxy that answers to nobody


@contextmanager
def running_hub(users: dict[str, str | User], *, large: tuple[str, ...] = ()) -> Iterator[Hub]:
    """Serves a `Hub` from a thread on a free port until the block ends.

    users: token -> name, or `User` where organisations or a role matter. large: endings of the
    files that go by LFS and come back by a redirect to another host, e.g. (".safetensors",).
    """
    app = FastAPI(openapi_url=None)
    app.include_router(hub_accounts.api)
    app.include_router(hub_contents.api)
    people = {
        token: user if isinstance(user, User) else User(user) for token, user in users.items()
    }

    async def answer(scope: dict, receive: Any, send: Any) -> None:
        """Notes the request, and routes by the raw path, where %2F belongs to a name."""
        scope["path"] = scope["raw_path"].decode()
        hub.requests.append((scope["method"], scope["path"]))
        faulty = app if hub.fault is None else partial(hub.fault, app)
        await faulty(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections wait from here on
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        hub = app.state.hub = Hub(url, people, lfs=large)
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
