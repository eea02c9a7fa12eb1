"""A taught checkpoint goes to a new repository of the visitor's, by their own token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.server.checkpoints.models import Visitor
from demo.server.errors_in_words import page_sentence
from demo.teach.push import repository_named
from unet_hf import UNet
from unet_hf.errors import ConfigError, PushError

from ...loopback.hub import Hub, User, running_hub
from ...loopback.hub_client import Client
from ...loopback.hub_faults import Refuses

ALICE, READER = "hf_the_secret_of_alice", "hf_the_secret_of_rita"
# Pushes a checkpoint as the page does, once for each [name, token, user], and tells of each.
PUSH = """
import shutil, tempfile
from pathlib import Path
from demo.server.errors_in_words import page_sentence
from demo.server.checkpoints.models import Visitor
from demo.server.checkpoints.taught import taught_folders
from demo.teach.push import push_taught
from demo.teach.sitting import Lesson, Sitting

given = json.load(sys.stdin)
name, place = taught_folders().place()
torch.manual_seed(0)
UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).save_pretrained(place)
lesson = Lesson(name, "Cells, taught", "unet-nuclei", "It was so.", False, (("a.png", 2),),
    {"steps": 40})
sitting, told = Sitting(), []
for repository, token, user in given:
    try:
        told.append(push_taught(lesson, repository, True, Visitor(user, token), sitting.pushed,
            lambda: Path(tempfile.mkdtemp())))
    except Exception as error:
        traceback.print_exc()
        told.append(page_sentence(error))
assert not any(token in str(vars(sitting)) for _, token, _ in given)
print(json.dumps(told))
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub({ALICE: "alice", READER: User("rita", role="read")}) as hub:
        yield hub


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Iterator[Client]:
    """A server that has no token of its own."""
    client = Client(hub, tmp_path, ALICE)
    del client.environment["HF_TOKEN"]
    yield client
    assert ALICE not in client.printed and READER not in client.printed


def test_it_goes_up_in_one_commit_with_its_card_and_can_be_loaded(hub, client, tmp_path):
    (address,) = client.run(PUSH, [["mine", ALICE, "alice"]])
    assert address == f"{hub.url}/alice/mine"
    repo = hub.repos["models", "alice/mine"]
    assert repo.private
    assert [title for title in repo.titles.values() if title] == ["Taught checkpoint"]
    _, files = repo.at("main")
    for path, content in files.items():
        (tmp_path / "loaded" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loaded" / path).write_bytes(content)
    UNet.from_pretrained(tmp_path / "loaded")
    card = files["README.md"].decode()
    assert "2 strokes on 1 image, in 40 steps" in card and "It was so." in card
    assert 'UNet.from_pretrained("alice/mine")' in card
    assert not any(ALICE.encode() in content for content in files.values())


def test_a_repository_that_was_there_stays_and_one_of_this_sitting_is_pushed_to_again(hub, client):
    hub.plant("alice/old", {"notes.txt": b"dear"}, private=True)
    again, first, second = client.run(
        PUSH, [["old", ALICE, "alice"], ["", ALICE, "alice"], ["", ALICE, "alice"]]
    )
    assert "You have a repository alice/old already" in again
    assert first == second == f"{hub.url}/alice/unet-nuclei-taught"
    assert hub.repos["models", "alice/old"].at("main")[1] == {"notes.txt": b"dear"}


def test_a_token_that_may_not_or_is_not_known_is_told_in_words_of_the_page(hub, client):
    reader, unknown = client.run(
        PUSH, [["mine", READER, "rita"], ["mine", "hf_of_yesterday", "alice"]]
    )
    for told in (reader, unknown):
        assert "Sign out and in again" in told
        assert "hf auth login" not in told and "hf_of" not in told
    assert not hub.repos


def test_a_hub_in_trouble_or_out_of_reach_is_told(hub, client):
    hub.fault = Refuses(500, only="commit")
    (lost,) = client.run(PUSH, [["mine", ALICE, "alice"]])
    assert "the Hub is in trouble" in lost and "alice/mine" in lost
    hub.restore()
    client.environment["HF_HUB_OFFLINE"] = "1"
    (offline,) = client.run(PUSH, [["other", ALICE, "alice"]])
    assert offline == "alice/other cannot be pushed to: this server works without the Hub."


def test_names_as_people_type_them():
    alice = Visitor("alice", ALICE)
    for typed in ("cells", " alice/cells ", "https://huggingface.co/alice/cells"):
        assert repository_named(typed, alice) == "alice/cells"
    for typed, says in (
        ("bob/cells", "another account"),
        ("my cells", "cannot be the name"),
        ("cells--1", "cannot be the name"),
        ("https://example.org/alice/cells", "example.org"),
        ("x" * 120, "cannot be the name"),
    ):
        with pytest.raises(ConfigError, match=says) as error:
            repository_named(typed, alice)
        assert ALICE not in str(error.value)


def test_words_for_a_terminal_are_none_for_the_page():
    told = page_sentence(
        PushError(
            "alice/mine cannot be written to: the token may not (status 403). Log in with `hf auth "
            "login`, or set HF_TOKEN to a token with write access to it, or name another "
            "repository. Made for it, and still there: the branch x."
        )
    )
    assert "(status 403). Sign out and in again" in told and told.endswith("the branch x.")
