"""Pushing by the unmodified client to the loopback Hub: one commit with everything."""

from collections.abc import Iterator

import pytest

from unet_hf import shipped_checkpoints
from unet_hf.hub.card import split_card
from unet_hf.hub.find import SHIPPED

from ..loopback.hub import Hub, running_hub
from ..loopback.pusher import COMPLETE, ORGANISED, USERS, Pusher, files_of, pushing


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub(USERS) as hub:
        yield hub


@pytest.fixture(scope="module")
def alice(hub: Hub, tmp_path_factory) -> Iterator[Pusher]:
    with pushing(hub, tmp_path_factory.mktemp("alice")) as alice:
        yield alice


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
