"""Pushing by the unmodified client to the loopback Hub: one commit or none, whatever happens."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unet_hf import shipped_checkpoints
from unet_hf.hub.card import split_card
from unet_hf.hub.find import SHIPPED

from .hub import Hub, client_environment, running_hub
from .hub_faults import HangsUp, Refuses, Slow, together
from .hub_repos import User
from .processes import forked_python
from .waiting import WAITS

TOKEN, READER, ORGANISED = "hf_secretofalice", "hf_secretofbobby", "hf_secretofcarol"
COMPLETE = {
    "config.json", "model.safetensors", "README.md", "thumbnail.png", "sample/expected.json",
    "sample/input.png", "sample/probabilities.tif",
}  # fmt: skip

# Pushes one small network after another, as asked on standard input; answers a line each, and
# tells how many seconds it asked to wait.
CLIENT = (
    WAITS
    + """
import json, sys, traceback
import numpy as np
import torch
from unet_hf import UNet
from unet_hf.evaluation.verification import verify

def network(seed):
    torch.manual_seed(seed)
    return UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"})

for line in sys.stdin:
    asked = json.loads(line)
    before = waited_by_all()
    try:
        if "verify" in asked:
            answer = {"wrong": [f.text for f in verify(**asked["verify"]) if not f.ok]}
        elif "int8" in asked:
            model = UNet.from_pretrained(asked["int8"])
            image = np.zeros((32, 32, model.config["in_channels"]), np.uint8)
            answer = {"precision": model.segment(image, axes="YXC", precision="int8").precision}
        else:
            model = (
                UNet.from_pretrained(asked["model"]) if "model" in asked
                else network(asked["seed"])
            )
            commit = model.push_to_hub(asked["repo"], **asked["options"])
            answer = {"oid": commit.oid, "url": str(commit), "pr": commit.pr_url}
    except Exception as error:
        traceback.print_exc()
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps({**answer, "waited": waited_by_all() - before}), flush=True)
"""
)


class Pusher:
    """A user's process that stays."""

    def __init__(self, hub: Hub, home: Path, token: str | None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "stderr.txt"
        self.process = subprocess.Popen(
            [*forked_python(), "-c", CLIENT],
            env=client_environment(hub, home, token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
        )
        self.said = ""

    def ask(self, **asked: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        self.said += (line := self.process.stdout.readline())
        return json.loads(line)

    def push(self, repo: str, seed: int = 0, **options: Any) -> dict[str, Any]:
        return self.ask(repo=repo, seed=seed, options=options)

    def wrong(self, source: str, **options: Any) -> list[str]:
        """What `verify` finds wrong with a repository."""
        answer = self.ask(verify={"source": source, **options})
        assert "error" not in answer, answer
        return answer["wrong"]

    def close(self) -> str:
        """Everything it said."""
        self.process.stdin.close()
        self.process.wait(timeout=30)
        return self.said + self.log.read_text()


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    users = {
        TOKEN: User("alice", orgs=("lab",)),
        READER: User("bob", role="read"),
        ORGANISED: User("carol"),
    }
    with running_hub(users) as hub:
        yield hub


@pytest.fixture(scope="module")
def alice(hub: Hub, tmp_path_factory) -> Iterator[Pusher]:
    pusher = Pusher(hub, tmp_path_factory.mktemp("alice"), TOKEN)
    yield pusher
    everything = pusher.close()
    for token in (TOKEN, READER, ORGANISED):  # in answers, warnings and tracebacks
        assert token not in everything


def files_of(hub: Hub, repo: str, revision: str = "main") -> dict[str, bytes]:
    return hub.repos["models", repo].at(revision)[1]


@pytest.fixture(autouse=True)
def healthy(hub: Hub) -> Iterator[None]:
    yield
    hub.restore()


def test_a_push_is_one_commit_with_everything_and_verifies(hub, alice):
    answer = alice.push("alice/net", license="mit")
    repo = hub.repos["models", "alice/net"]
    assert set(repo.at("main")[1]) == COMPLETE
    assert len(repo.commits) == 2  # the empty one of the creation, and this
    assert answer["oid"] == repo.branches["main"]
    data, text = split_card(files_of(hub, "alice/net")["README.md"].decode())
    assert data["license"] == "mit"
    assert 'UNet.from_pretrained("alice/net")' in text
    assert alice.wrong("alice/net") == []


def test_pushing_the_same_again_makes_no_commit(hub, alice):
    first = alice.push("alice/twice")
    assert alice.push("alice/twice")["oid"] == first["oid"]
    assert len(hub.repos["models", "alice/twice"].commits) == 2


def test_a_name_alone_is_a_repository_of_ones_own_and_an_organisation_is_too(hub, alice):
    alice.push("alone", private=True)
    assert hub.repos["models", "alice/alone"].private
    assert alice.wrong("alice/alone") == []
    assert "error" not in alice.push("lab/shared")


def test_a_missing_branch_is_made_and_main_stays(hub, alice):
    first = alice.push("alice/branched")
    second = alice.push("alice/branched", seed=1, branch="draft/2")
    repo = hub.repos["models", "alice/branched"]
    assert repo.branches["main"] == first["oid"]
    assert repo.branches["draft/2"] == second["oid"]
    assert alice.wrong("alice/branched", revision="draft/2") == []


def test_a_tag_names_the_commit_and_is_never_moved(hub, alice):
    first = alice.push("alice/tagged", tag="v1.0")
    assert hub.repos["models", "alice/tagged"].tags == {"v1.0": first["oid"]}
    again = alice.push("alice/tagged", seed=1, tag="v1.0")
    assert again["error"] == "PushError"
    assert "already has a tag 'v1.0'" in again["message"]
    assert hub.repos["models", "alice/tagged"].branches["main"] == first["oid"]
    assert alice.wrong("alice/tagged", revision="v1.0") == []


def test_a_pull_request_proposes_and_changes_nothing_else(hub, alice, tmp_path):
    alice.push("alice/open")
    before = hub.repos["models", "alice/open"].branches["main"]
    carol = Pusher(hub, tmp_path, ORGANISED)
    answer = carol.push("alice/open", seed=1, create_pr=True)
    assert "error" not in answer, answer
    assert answer["pr"].endswith("/discussions/1")
    assert hub.repos["models", "alice/open"].branches["main"] == before
    assert carol.wrong("alice/open", revision="refs/pr/1") == []
    both = carol.push("alice/open", seed=1, create_pr=True, branch="x")
    assert "Leave out branch" in both["message"]
    carol.close()


def test_a_hand_edited_card_and_other_peoples_files_stay_and_old_records_go(hub, alice):
    alice.push("alice/edited")
    repo = hub.repos["models", "alice/edited"]
    files = files_of(hub, "alice/edited")
    card = files["README.md"].decode().replace("# edited", "# The lab's own\n\nAsk Ann.")
    card = card.replace("library_name", "language: en\nlibrary_name")
    added = {"notes.txt": b"keep", "evaluation.json": b"{}", "sample/input.tif": b"old"}
    repo.commit({**files, "README.md": card.encode(), **added})

    alice.push("alice/edited", seed=1)
    after = files_of(hub, "alice/edited")
    assert set(after) == COMPLETE | {"notes.txt"}
    text = after["README.md"].decode()
    assert "# The lab's own\n\nAsk Ann." in text
    assert "language: en" in text
    assert alice.wrong("alice/edited") == []


def test_what_came_from_the_hub_names_its_base_and_keeps_its_evidence(hub, alice):
    alice.push("alice/base")
    alice.ask(model="alice/base", repo="alice/copy", options={})
    base, copy = files_of(hub, "alice/base"), files_of(hub, "alice/copy")
    assert copy["model.safetensors"] == base["model.safetensors"]
    assert copy["sample/input.png"] == base["sample/input.png"]
    assert split_card(copy["README.md"].decode())[0]["base_model"] == "alice/base"
    assert alice.wrong("alice/copy") == []


# Each of them has the same files; the last has object maps, too.
MORE_SHIPPED = pytest.mark.deep("as another one that ships")


@pytest.mark.parametrize(
    "name",
    [
        name if name == "unet-nuclei" else pytest.param(name, marks=MORE_SHIPPED)
        for name in shipped_checkpoints()
    ],
)
def test_a_shipped_checkpoint_is_pushed_with_all_that_is_known_of_it(name, hub, alice):
    """The Hub's own check of the metadata passes, too: a push asks for it."""
    answer = alice.ask(model=name, repo=f"alice/{name}", options={})
    assert "error" not in answer, answer
    files = files_of(hub, f"alice/{name}")
    maps = (
        {"sample/object_maps.tif"}
        if (SHIPPED / name / "sample/object_maps.tif").is_file()
        else set()
    )
    assert set(files) == COMPLETE | maps | {
        "evaluation.json", "training.json", "metrics.jsonl", "speed.json", "int8.json",
        "across.json", "reliability.png", "scope.json",
    }  # fmt: skip
    assert alice.ask(int8=f"alice/{name}")["precision"] == "int8"  # before `verify` fetches more
    assert files["model.safetensors"] == (SHIPPED / name / "model.safetensors").read_bytes()
    assert ("POST", "/api/validate-yaml") in hub.requests
    assert alice.wrong(f"alice/{name}") == []


def test_large_files_go_by_lfs(hub, alice):
    hub.lfs = (".safetensors",)
    try:
        alice.push("alice/large")
        assert any(path.startswith("/large/") for _, path in hub.requests)
        assert alice.wrong("alice/large") == []
    finally:
        hub.lfs = ()


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
