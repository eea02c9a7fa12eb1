"""Loading from a Hub that is ill or gone: in time a named error with a cure, or the model."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unet_hf import UNet

from ..loopback.hub import Files, Hub, running_hub
from ..loopback.hub_client import LOAD_AT_ONCE, LOAD_IN_TURN, Answers, Client, prediction
from ..loopback.hub_faults import Fault, HangsUp, Refuses, Slow, Truncated, limited, together

TOKEN = "hf_the_secret_of_alice"
# Seconds that a load may ask to wait, whatever the machine adds.
KNOWN = 3  # where the cause is known
RESUMED = 12  # where the client tries to go on with a broken download, once a second
WEIGHTS = "/.*model.safetensors"


@dataclass(frozen=True)
class Ill:
    """How a load ends while the Hub has a fault."""

    fault: Callable[[str], Fault]  # given the repository's path in requests, "/alice/name"
    error: str | None = None  # None: it loads all the same
    words: str = ""  # a pattern of the message, cure included
    waited: float = KNOWN


ILL = {
    "status-401": Ill(
        lambda at: Refuses(401, None, "Invalid credentials in Authorization header", only=at),
        "CheckpointAccessError",
        "401.*hf auth login",
    ),
    "status-403": Ill(
        lambda at: Refuses(403, only=at), "CheckpointAccessError", "403.*hf auth login"
    ),
    "gated-403": Ill(
        lambda at: Refuses(403, "GatedRepo", only=f"{at}/resolve"),
        "CheckpointAccessError",
        "gated. Ask for access",
    ),
    "status-404": Ill(
        lambda at: Refuses(404, "RepoNotFound", only=at),
        "CheckpointNotFoundError",
        "Check the name",
    ),
    "status-412": Ill(
        lambda at: Refuses(412, only=at), "CheckpointAccessError", "refused to serve .* 412"
    ),
    "status-429": Ill(
        lambda at: Refuses(429, headers=limited(0), only=at),
        "HubBusyError",
        "answered 429 .* Try again in 60 seconds",
    ),
    "files-429": Ill(
        lambda at: Refuses(429, headers=limited(0), only=f"{at}/resolve"),
        "HubBusyError",
        "answered 429 .* Try again in 60 seconds",
    ),
    "status-500": Ill(
        lambda at: Refuses(500, only=at), "HubBusyError", "answered 500 .* Try again later"
    ),
    "files-503": Ill(
        lambda at: Refuses(503, only=f"{at}/resolve"),
        "HubBusyError",
        "answered 503 .* Try again later",
    ),
    "recovers": Ill(lambda at: Refuses(500, only=at, times=2)),
    "files-recover": Ill(lambda at: Refuses(503, only=f"GET {at}{WEIGHTS}", times=2)),
    "slow": Ill(lambda at: Slow(2.0, only=at + WEIGHTS), waited=RESUMED),
    "silent": Ill(
        lambda at: HangsUp(at),
        "CheckpointUnreachableError",
        "not reached.*Check the .*network",
    ),
    "login-page": Ill(
        lambda at: Refuses(200, only=at), "CheckpointUnreachableError", "proxy or a login page"
    ),
    "odd-etag": Ill(
        lambda at: Refuses(200, headers={"ETag": '"../../../evil"'}, only=f"HEAD {at}/"),
        "DownloadError",
        "the Hub would not answer. Check HF_ENDPOINT",
    ),
    "dropped-half-way": Ill(lambda at: Truncated(0.5, only=at + WEIGHTS, times=1), waited=RESUMED),
    "never-resumed": Ill(
        lambda at: Truncated(0, only=at + WEIGHTS),
        "DownloadError",
        "broke off .* nothing half is kept. Check the network and try again",
        waited=RESUMED,
    ),
    # A download is HEAD, HEAD and GET; what came damaged is downloaded once more.
    "damaged-once": Ill(lambda at: Truncated(0.5, honest=False, only=at + WEIGHTS, times=3)),
    "damaged-twice": Ill(
        lambda at: Truncated(0.5, honest=False, only=at + WEIGHTS, times=6),
        "DownloadError",
        r"came damaged: \d+ of \d+ bytes. Try again later, with force_download=True",
    ),
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub({TOKEN: "alice"}) as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(hub, tmp_path_factory.mktemp("home"), TOKEN)


def checkpoint(folder: Path, **options: Any) -> Files:
    UNet(base_channels=2, depth=1, tile_size=64, **options).save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def first(hub: Hub, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Loads from a Hub with all of these faults, each in a repository of its own, all at once."""
    files = checkpoint(tmp_path_factory.mktemp("old"))
    for name in [*ILL, "well"]:
        hub.plant(f"alice/{name}", files)
    hub.fault = together(*(case.fault(f"/alice/{name}") for name, case in ILL.items()))
    return client.run(LOAD_AT_ONCE, {name: (f"alice/{name}", {}) for name in [*ILL, "well"]})


@pytest.fixture(scope="module")
def second(hub: Hub, client: Client, first: Answers) -> Answers:
    """The same loads from a Hub that has recovered, with what the first ones left in the cache."""
    hub.restore()
    return client.run(LOAD_AT_ONCE, {name: (f"alice/{name}", {}) for name in ILL})


@pytest.mark.parametrize("name", ILL)
def test_a_fault_has_a_named_error_with_a_cure_in_time_or_is_overcome(name, first):
    case, answer = ILL[name], first[name]
    assert answer.get("error") == case.error, answer
    assert re.search(case.words, answer.get("message", ""))
    assert answer["waited"] < case.waited
    if case.error is None:
        assert prediction(answer) == prediction(first["well"])


@pytest.mark.parametrize("name", ILL)
def test_a_fault_leaves_nothing_behind_that_spoils_the_next_load(name, first, second):
    assert prediction(second[name]) == prediction(first["well"])


def test_what_is_damaged_in_the_cache_is_downloaded_again_and_said(client, second):
    assert "alice/damaged-twice is damaged; downloading it again" in client.printed


@pytest.fixture(scope="module")
def commits(hub: Hub, first: Answers) -> dict[str, str]:
    return {name: hub.repos["models", f"alice/{name}"].branches["main"] for name in first}


@pytest.fixture(scope="module")
def gone(client: Client, first: Answers, commits: dict[str, str]) -> Answers:
    """Loads while the Hub's port is closed."""
    loads = {
        "cached": ("alice/well", {}),
        "cached, pinned": ("alice/well", {"revision": commits["well"]}),
        "cached, forced": ("alice/well", {"force_download": True}),
        "not cached": ("alice/never", {}),
        "not cached, pinned": ("alice/never", {"revision": commits["well"]}),
        "not cached, branch": ("alice/well", {"revision": "v2"}),
    }
    return client.run(LOAD_IN_TURN, loads, HF_ENDPOINT="http://127.0.0.1:1")


def test_an_unreachable_hub_is_said_and_the_cache_used(client, first, gone, commits):
    assert prediction(gone["cached"]) == prediction(first["well"])
    said = f"not reached for alice/well: .* Loaded from the local cache: commit {commits['well']}"
    assert re.search(said, client.printed)


def test_a_pinned_commit_in_the_cache_needs_no_hub(first, gone):
    assert prediction(gone["cached, pinned"]) == prediction(first["well"])


@pytest.mark.parametrize(
    "name", ["cached, forced", "not cached", "not cached, pinned", "not cached, branch"]
)
def test_an_unreachable_hub_is_called_so_in_time(name, gone):
    assert gone[name]["error"] == "CheckpointUnreachableError"
    assert re.search(r"not reached.*Check the .*network", gone[name]["message"])
    assert gone[name]["waited"] < KNOWN


@contextmanager
def nobody() -> Iterator[str]:
    """An address where connections are neither accepted nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]  # the queue is full
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for other in waiting:
            other.close()


def test_an_address_where_nobody_answers_is_left_in_time(client):
    with nobody() as address:
        answers = client.run(LOAD_IN_TURN, {"load": ("alice/never", {})}, HF_ENDPOINT=address)
    assert answers["load"]["error"] == "CheckpointUnreachableError"
    assert "ConnectTimeout" in answers["load"]["message"]
    assert 0 < answers["load"]["waited"] < KNOWN


@pytest.fixture(scope="module")
def later(
    hub: Hub, client: Client, second: Answers, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """Loads while things happen at the Hub: main moves, cached models are refused."""
    folder = tmp_path_factory.mktemp("later")
    old, new = checkpoint(folder / "old"), checkpoint(folder / "new", num_classes=3)
    repo = hub.plant("alice/moving", old)

    async def moves(answer, scope, receive, send):
        await answer(scope, receive, send)
        if scope["method"] == "GET" and scope["path"].endswith("config.json"):
            repo.commit(new)

    hub.fault = together(
        moves,
        Refuses(503, only="/alice/slow"),
        Refuses(404, "RepoNotFound", only="/alice/recovers"),
    )
    loads = {
        "while main moves": ("alice/moving", {}),
        "after main moved": ("alice/moving", {}),
        "busy, cached": ("alice/slow", {}),
        "deleted, cached": ("alice/recovers", {}),
    }
    answers = client.run(LOAD_IN_TURN, loads)
    hub.restore()
    return answers


def test_all_files_are_of_one_commit_even_if_main_moves_between_them(later):
    assert later["while main moves"]["config"]["num_classes"] == 2
    assert later["after main moved"]["config"]["num_classes"] == 3


def test_a_busy_hub_is_said_and_the_cache_used(client, later, first):
    assert prediction(later["busy, cached"]) == prediction(first["well"])
    assert re.search("answered 503 .* for alice/slow.* Loaded from the local cache", client.printed)


def test_what_the_hub_no_longer_shows_is_not_loaded_in_silence(later):
    assert later["deleted, cached"]["error"] == "CheckpointNotFoundError"
    assert "in the cache: local_files_only=True loads it" in later["deleted, cached"]["message"]


def test_tokens_never_appear_in_any_output(client, gone, later):
    assert "Traceback" in client.printed  # the errors, with all that caused them
    assert TOKEN not in client.printed
