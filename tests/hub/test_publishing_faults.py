"""A push that is refused, lost or interrupted: a sentence with a cure, and nothing half made."""

import re
import threading
from collections.abc import Iterator

import pytest

from ..loopback.hub import Hub, running_hub
from ..loopback.hub_faults import HangsUp, Refuses, Slow, together
from ..loopback.pusher import COMPLETE, ORGANISED, READER, TOKEN, USERS, Pusher, files_of, pushing


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub(USERS) as hub:
        yield hub


@pytest.fixture(scope="module")
def alice(hub: Hub, tmp_path_factory) -> Iterator[Pusher]:
    with pushing(hub, tmp_path_factory.mktemp("alice")) as alice:
        yield alice


@pytest.fixture(autouse=True)
def healthy(hub: Hub) -> Iterator[None]:
    yield
    hub.restore()


REFUSALS = {
    "unknown-token": (Refuses(401), "does not know the token.*hf auth login"),
    "forbidden": (Refuses(403, only="POST .*/commit/"), "status 403.*hf auth login"),
    "gated": (Refuses(403, "GatedRepo", only="POST .*/preupload/"), "status 403.*hf auth login"),
    "not-found": (Refuses(404, "RepoNotFound", only="POST .*/commit/"), "no alice/faulty that"),
    "conflict": (Refuses(412, only="POST .*/commit/"), "at the same time.*push again"),
    "too-many": (
        Refuses(429, only="POST .*/commit/", headers={"Retry-After": "600"}),
        "429.*Push again in 600 s",
    ),
    "broken": (Refuses(500, only="POST .*/commit/"), "in trouble .status 500.*push again later"),
    "unavailable": (Refuses(503, only="POST .*/commit/"), "status 503.*push again later"),
    "bad-request": (Refuses(400, None, "no such thing", only="POST .*/commit/"), "no such thing"),
    "dropped": (HangsUp("POST .*/commit/"), "connection broke.*push again"),
    "dropped-at-once": (HangsUp(), "could not be reached.*check the network"),
}


# One of those that are refused at once, of those that are tried again, and without an answer.
USUAL = ("forbidden", "conflict", "too-many", "broken", "dropped")
MORE_REFUSALS = pytest.mark.deep("another status of the same kind")


@pytest.mark.parametrize(
    "name",
    [name if name in USUAL else pytest.param(name, marks=MORE_REFUSALS) for name in REFUSALS],
)
def test_a_refused_push_has_a_sentence_with_a_cure_and_changes_nothing(name, hub, alice):
    if ("models", "alice/faulty") not in hub.repos:
        alice.push("alice/faulty")
    before = hub.repos["models", "alice/faulty"].branches["main"]
    fault, words = REFUSALS[name]
    hub.fault = fault
    answer = alice.push("alice/faulty", seed=7)
    assert answer.get("error") == "PushError", answer
    assert re.search(words, answer["message"])
    assert "alice/faulty" in answer["message"]
    assert "http" not in answer["message"].replace("http://127.0.0.1", "http")
    # The cause is known: at most three tries and two short waits.
    assert answer["waited"] < 5
    assert hub.repos["models", "alice/faulty"].branches["main"] == before


def test_after_any_refusal_a_second_push_completes(hub, alice):
    hub.fault = HangsUp("POST .*/commit/")
    assert "error" in alice.push("alice/second", seed=3)
    assert not hub.repos["models", "alice/second"].at("main")[1]  # made, and still empty
    hub.restore()
    assert "error" not in alice.push("alice/second", seed=3)
    assert set(files_of(hub, "alice/second")) == COMPLETE
    assert alice.wrong("alice/second") == []


@pytest.mark.parametrize(
    "status", [429, 503, *(pytest.param(n, marks=MORE_REFUSALS) for n in (500, 502))]
)
def test_a_hub_that_stumbles_and_recovers_is_given_another_try(hub, alice, status):
    hub.fault = Refuses(status, only="POST .*/commit/", times=2)
    answer = alice.push(f"alice/recovered-{status}")
    assert "error" not in answer, answer
    assert len(hub.repos["models", f"alice/recovered-{status}"].commits) == 2


class Mute(HangsUp):
    """Does what is asked for, and breaks the connection before the client hears of it."""

    async def __call__(self, answer, scope, receive, send) -> None:
        if not self.takes(scope):
            return await answer(scope, receive, send)

        async def nothing(message) -> None:
            pass

        await answer(scope, receive, nothing)
        scope["state"]["transport"].close()


def test_what_a_failed_push_has_made_is_named_and_the_next_push_uses_it(hub, alice):
    hub.fault = Refuses(500, only="POST .*/commit/")
    answer = alice.push("alice/left", branch="draft")
    assert set(hub.repos["models", "alice/left"].branches) == {"main", "draft"}
    words = "Made for it, and still there: the repository alice/left, the branch draft."
    assert words in answer["message"]
    again = alice.push("alice/left", branch="draft")
    assert "ade for it" not in again["message"]  # nothing new
    assert "Nothing was changed" not in answer["message"] + again["message"]
    hub.fault = Mute("POST .*/repos/create", times=1)
    lost = alice.push("alice/unheard")
    assert "error" not in lost, lost  # a second try finds it
    hub.fault = Mute("POST .*/repos/create", times=1)
    hub.fault = together(Refuses(500, only="POST .*/commit/"), hub.fault)
    lost = alice.push("alice/unheard-2")
    assert "Made for it, and still there: the repository alice/unheard-2." in lost["message"]
    hub.fault = Refuses(504, only="POST .*/repos/create")
    lost = alice.push("alice/unheard-3")
    assert "Maybe made for it: the repository alice/unheard-3." in lost["message"]
    hub.restore()
    assert "error" not in alice.push("alice/left", branch="draft")
    assert alice.wrong("alice/left", revision="draft") == []


@pytest.mark.parametrize("fault", ["dropped", "status 504"])
def test_a_pull_request_whose_answer_is_lost_is_not_opened_twice(hub, alice, fault):
    repo = f"alice/asked-{fault[-3:]}"
    alice.push(repo)
    lost = Mute("POST .*/commit/", times=1)
    refused = Refuses(504, only="POST .*/commit/", times=1)
    hub.fault = lost if fault == "dropped" else refused
    answer = alice.push(repo, seed=1, create_pr=True)
    assert answer.get("error") == "PushError", answer
    assert "not known whether the pull request" in answer["message"]
    assert "Look at its pull requests" in answer["message"]
    opened = len(hub.repos["models", repo].pull_requests)
    assert opened == (1 if fault == "dropped" else 0)
    hub.fault = Refuses(503, only="POST .*/commit/", times=1)  # refused for certain
    assert "error" not in alice.push(repo, seed=2, create_pr=True)
    assert len(hub.repos["models", repo].pull_requests) == opened + 1


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, alice):
    alice.push("alice/mute")
    hub.fault = Mute("POST .*/commit/", times=1)
    answer = alice.push("alice/mute", seed=1)
    assert "error" not in answer, answer
    assert len(hub.repos["models", "alice/mute"].commits) == 3


def test_a_commit_of_somebody_else_in_between_is_not_lost(hub, alice):
    """Somebody edits the card while ours is on its way: theirs is kept, ours is added."""
    alice.push("alice/raced")
    repo = hub.repos["models", "alice/raced"]

    class Race(Slow):
        async def __call__(self, answer, scope, receive, send) -> None:
            if self.takes(scope) and len(repo.commits) == 2:
                files = repo.at("main")[1]
                card = files["README.md"].decode().replace("# raced", "# Theirs")
                repo.commit({**files, "README.md": card.encode()})
            await answer(scope, receive, send)

    hub.fault = Race(0, only="POST .*/commit/")
    answer = alice.push("alice/raced", seed=1)
    assert "error" not in answer, answer
    text = files_of(hub, "alice/raced")["README.md"].decode()
    assert "# Theirs" in text
    assert alice.wrong("alice/raced") == []


def test_an_interrupted_upload_of_large_files_leaves_the_old_commit(hub, alice):
    hub.lfs = (".safetensors",)
    try:
        alice.push("alice/cut")
        before = hub.repos["models", "alice/cut"].branches["main"]
        hub.fault = HangsUp("PUT /large/")
        answer = alice.push("alice/cut", seed=1)
        assert answer.get("error") == "PushError", answer
        assert "connection broke" in answer["message"]
        assert answer["waited"] < 30  # the client's own tries, and none of ours after them
        assert hub.repos["models", "alice/cut"].branches["main"] == before
        hub.restore()
        assert "error" not in alice.push("alice/cut", seed=1)
        assert alice.wrong("alice/cut") == []
    finally:
        hub.lfs = ()


@pytest.mark.parametrize(
    ("token", "repo", "words"),
    [
        (None, "alice/net", "hf auth login"),
        ("hf_nobodys", "alice/net", "does not know the token"),
        (READER, "bob/net", "can read but not write"),
        (ORGANISED, "alice/net", "carol may write to carol"),
    ],
)
def test_who_may_not_push_reads_why(hub, tmp_path, token, repo, words):
    pusher = Pusher(hub, tmp_path, token)
    answer = pusher.push(repo)
    assert answer.get("error") == "PushError", answer
    assert words in answer["message"]
    if token:
        assert token not in pusher.close()


def test_offline_and_refused_connections_are_named(hub, tmp_path, monkeypatch):
    closed = Pusher(Hub("http://127.0.0.1:9", {}), tmp_path / "closed", TOKEN)
    answer = closed.push("alice/net")
    assert "check the network" in answer["message"]
    assert answer["waited"] < 5
    closed.close()


def test_two_pushes_at_once_end_as_two_commits(hub, alice, tmp_path):
    alice.push("alice/busy")
    other = Pusher(hub, tmp_path, TOKEN)
    answers: list[dict] = []
    threads = [
        threading.Thread(target=lambda p=p, s=s: answers.append(p.push("alice/busy", seed=s)))
        for p, s in ((alice, 1), (other, 2))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any("error" in answer for answer in answers), answers
    assert alice.wrong("alice/busy") == []  # whoever was last: all files are of one model
    other.close()
