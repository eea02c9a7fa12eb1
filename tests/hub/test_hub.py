"""Checkpoints by HTTP: an unmodified huggingface_hub, in processes of its own, and a Hub on the
loopback. Nothing that these processes ask of any other address gets out."""

import re
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from unet_hf import UNet
from unet_hf.errors import CheckpointAccessError, ConfigError
from unet_hf.hub.find import find_checkpoint

from ..loopback.hub import Hub, running_hub
from ..loopback.hub_client import LOAD_IN_TURN, Answers, Client, prediction
from ..loopback.refused_checkpoints import REFUSED, WRONG_TOKEN

TOKEN = "hf_the_secret_of_alice"

PUSH = """
def trained(seed):
    torch.manual_seed(seed)
    model = UNet(
        base_channels=2, depth=2, tile_size=64, threshold=0.4,
        id2label={"0": "membrane", "1": "cell"},
        preprocessing={"normalization": "fixed", "mean": [0.4], "std": [0.2]},
    )
    model(torch.randn(2, 1, 32, 32))  # running statistics that no constructor gives
    return model.eval()

first, second = trained(1), trained(2)
commits = [first.push_to_hub("alice/tiny").oid]
create_branch("alice/tiny", branch="draft/2")
commits.append(second.push_to_hub("alice/tiny", branch="draft/2").oid)
create_tag("alice/tiny", tag="v2", revision="draft/2")
proposed = second.push_to_hub("alice/tiny", create_pr=True).pr_revision
models = [fingerprint(first), fingerprint(second)]
print(json.dumps({"commits": commits, "proposed": proposed, "models": models}))
"""

EVIDENCE = """
from unet_hf.hub.find import find_checkpoint

folder = find_checkpoint("alice/folds", subfolder="folds/1", evidence=True)
files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
print(json.dumps(sorted(files)))
"""

CHECKPOINT = ("config.json", "model.safetensors")


# All of them are the commit with the tag v2, except for the last two.
PASTED: dict[str, dict[str, Any]] = {
    "https://huggingface.co/alice/tiny/tree/v2": {},
    " 'alice/tiny@v2' ": {},
    "hf://alice/tiny@v2": {"revision": "v2"},
    "HTTPS://hf.co/alice/tiny/": {"revision": "v2"},
    "https://huggingface.co/alice/tiny/tree/draft%2F2": {},
    "https://huggingface.co/alice/folds/blob/main/folds/1/config.json": {},
    "models/alice/tiny/": {},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub({TOKEN: "alice"}, large=("lfs/model.safetensors",)) as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(hub, tmp_path_factory.mktemp("home"), TOKEN)


@pytest.fixture(scope="module")
def pushed(client: Client) -> dict[str, Any]:
    """Two models pushed to alice/tiny, the second to the branch draft/2."""
    return client.run(PUSH)


@pytest.fixture(scope="module")
def loaded(
    hub: Hub, client: Client, pushed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """What became of every load, good or bad, in one fresh process."""
    folder = tmp_path_factory.mktemp("checkpoint")
    UNet(base_channels=2, depth=2, tile_size=64).save_pretrained(folder)
    files = {name: (folder / name).read_bytes() for name in CHECKPOINT}
    hub.plant("alice/private", files, private=True)
    hub.plant(
        "alice/folds",
        {f"{inside}/{name}": files[name] for name in files for inside in ("folds/1", "lfs")}
        | {"folds/1/README.md": b"# Card", "folds/1/sample/input.png": b"PNG"}
        | {"folds/1/sample/deep/other.png": b"PNG", "README.md": b"# All", "folds/1/x.bin": b"x"}
        | {"folds/1/thumbnail.png": bytes(65 * 2**20)},
    )
    for name, case in REFUSED.items():
        if case.change is not None:
            hub.plant(f"bob/{name}", {**case.change(files), "README.md": b"# Card"}, **case.repo)
    loads = {
        "main": ("alice/tiny", {}),
        "branch": ("alice/tiny", {"revision": "draft/2"}),
        "first commit": ("alice/tiny", {"revision": pushed["commits"][0]}),
        "second commit": ("alice/tiny", {"revision": pushed["commits"][1]}),
        "tag": ("alice/tiny", {"revision": "v2"}),
        "pull request": ("alice/tiny", {"revision": pushed["proposed"]}),
        "own private": ("alice/private", {}),
        "elsewhere": ("alice/private", {"cache_dir": str(folder / "cache")}),
        "subfolder": ("alice/folds", {"subfolder": "folds/1"}),
        "lfs": ("alice/folds", {"subfolder": "lfs/"}),
        "malformed": ("a/b/c", {}),
        **{pasted: (pasted, options) for pasted, options in PASTED.items()},
        "two revisions": ("alice/tiny@v2", {"revision": "main"}),
        "another host": ("https://example.org/alice/tiny?token=hf_secret", {}),
    }
    loads |= {name: (f"bob/{name}", case.options) for name, case in REFUSED.items()}
    return client.run(LOAD_IN_TURN, loads)


@pytest.fixture(scope="module")
def offline(client: Client, loaded: dict[str, Any]) -> Answers:
    """Loads in a process without network and token, after `loaded` filled the cache."""
    loads = {
        "cached": ("alice/tiny", {}),
        "not cached": ("bob/never-asked-for", {}),
        "no token": ("bob/never-asked-for", {"token": True}),
    }
    return client.run(LOAD_IN_TURN, loads, HF_HUB_OFFLINE="1", HF_TOKEN="")


def test_push_then_load_gives_identical_bytes(pushed, loaded):
    first, second = pushed["models"]
    assert first["probabilities"] != second["probabilities"]  # or the claim would be empty
    assert prediction(loaded["main"]) == first


def test_a_push_is_one_commit_with_configuration_weights_and_card(hub, pushed):
    repo = hub.repos["models", "alice/tiny"]
    _, first, second, proposed = repo.commits  # the first one, of the creation, is empty
    assert [first, second] == pushed["commits"]
    assert repo.branches == {"main": first, "draft/2": second}
    assert repo.pulls == {"refs/pr/1": proposed}
    assert {*CHECKPOINT, "README.md"} <= set(repo.commits[first])
    card = ModelCard(repo.commits[first]["README.md"].decode())
    assert card.data.library_name == "unet_hf"
    assert card.data.pipeline_tag == "image-segmentation"


def test_every_kind_of_revision_loads_what_was_pushed_to_it(pushed, loaded):
    first, second = pushed["models"]
    assert prediction(loaded["branch"]) == second
    assert prediction(loaded["tag"]) == second
    assert prediction(loaded["pull request"]) == second
    assert prediction(loaded["first commit"]) == first
    assert prediction(loaded["second commit"]) == second


def test_a_private_checkpoint_loads_with_its_owners_token(loaded):
    assert "error" not in loaded["own private"]


def test_a_cache_elsewhere_holds_the_checkpoint(loaded, hub):
    assert prediction(loaded["elsewhere"]) == prediction(loaded["own private"])
    asked = Counter(path for method, path in hub.requests if method == "GET")
    downloads = [asked[path] for path in asked if "alice/private/resolve" in path]
    assert downloads == [2, 2]  # configuration and weights, once for each cache


def test_a_subfolder_loads_like_a_repository_of_its_own(loaded):
    assert prediction(loaded["subfolder"]) == prediction(loaded["own private"])


def test_large_weights_come_from_another_host_which_never_sees_the_token(hub, loaded):
    assert prediction(loaded["lfs"]) == prediction(loaded["own private"])  # it refuses tokens
    assert [method for method, path in hub.requests if path.startswith("/large/")] == ["GET"]


def test_evidence_is_downloaded_on_demand_and_only_what_is_meant(client, loaded):
    sample = "sample/input.png"
    assert client.run(EVIDENCE) == ["README.md", *CHECKPOINT, sample]
    assert "thumbnail.png of alice/folds is left out: 68 MB" in client.printed


@pytest.mark.parametrize(
    "subfolder", ["../x", "/etc", "a/../../b", "a//b", "a\\b", "C:x", "/", "."]
)
def test_a_subfolder_stays_in_its_repository(subfolder):
    with pytest.raises(ConfigError, match=r"is no folder of a repository\. Write it relative"):
        find_checkpoint("bob/never-asked-for", subfolder=subfolder)


@pytest.mark.parametrize("token", ["hf_of alice", "hf_of_alice\n", "hf_ôf_alice"])
def test_a_token_that_fits_no_header_is_refused_and_not_printed(token):
    with pytest.raises(CheckpointAccessError, match="Copy it again") as caught:
        find_checkpoint("bob/never-asked-for", token=token)
    assert token not in "".join(traceback.format_exception(caught.value))


def test_a_load_downloads_configuration_and_weights_and_nothing_else(hub, loaded):
    paths = [path for _, path in hub.requests if path.startswith("/bob/tensor-missing/resolve/")]
    assert {Path(path).name for path in paths} == set(CHECKPOINT)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_checkpoint_has_a_named_error_with_a_cure(name, loaded):
    case, answer = REFUSED[name], loaded[name]
    assert answer.get("error") == case.error, answer
    assert re.search(case.words, answer["message"])
    assert f"bob/{name}" in answer["message"]
    assert answer["waited"] < 3
    assert answer["grown"] < 100_000  # KiB


def test_a_malformed_name_is_not_found_and_never_asked_for(hub, loaded):
    assert loaded["malformed"]["error"] == "CheckpointNotFoundError"
    assert "'org/name'" in loaded["malformed"]["message"]
    assert not [path for _, path in hub.requests if "a/b/c" in path]


def test_addresses_are_understood_as_people_paste_them(loaded):
    *tagged, folder, main = (loaded[pasted] for pasted in PASTED)
    assert [prediction(answer) for answer in tagged] == [prediction(loaded["tag"])] * len(tagged)
    assert prediction(main) == prediction(loaded["main"]) != prediction(loaded["tag"])
    assert prediction(folder) == prediction(loaded["subfolder"])


def test_a_contradiction_and_another_host_are_named(loaded):
    assert loaded["two revisions"]["error"] == "ConfigError"
    assert "revision 'v2', and 'main' is given beside it" in loaded["two revisions"]["message"]
    assert loaded["another host"]["error"] == "ConfigError"
    assert "an address of example.org, not of the Hugging" in loaded["another host"]["message"]
    assert "hf_secret" not in loaded["another host"]["message"]


def test_pickled_weights_are_never_asked_for(hub, loaded):
    assert not [path for _, path in hub.requests if "pytorch_model" in path]


def test_what_the_hub_refuses_is_asked_for_once(hub, loaded):
    refused = [name for name, case in REFUSED.items() if case.error.startswith("CheckpointA")]
    asked = Counter(asked for asked in hub.requests if asked[1].split("/")[-1] in refused)
    assert len(asked) == len(refused)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_wanted_is_not_downloaded(name, hub, loaded):
    got = {path.split("/")[-1] for method, path in hub.requests if f"/bob/{name}/res" in path}
    unwanted = {"weights-are-too-large": CHECKPOINT[1], "config-of-many-labels": CHECKPOINT[0]}
    assert unwanted.get(name) not in got
    if REFUSED[name].error == "UnsafeRepositoryError":
        assert not got


def test_offline_the_cache_gives_identical_bytes(pushed, offline):
    assert prediction(offline["cached"]) == pushed["models"][0]


def test_offline_without_a_cache_the_hub_is_called_unreachable(hub, offline):
    assert offline["not cached"]["error"] == "CheckpointUnreachableError"
    assert "HF_HUB_OFFLINE" in offline["not cached"]["message"]
    assert offline["not cached"]["waited"] < 3
    assert not [path for _, path in hub.requests if "never-asked-for" in path]


def test_a_required_token_that_is_missing_is_an_access_error(offline):
    assert offline["no token"]["error"] == "CheckpointAccessError"
    assert "hf auth login" in offline["no token"]["message"]


def test_tokens_never_appear_in_any_output(client, pushed, loaded, offline):
    assert "Traceback" in client.printed  # the errors, with all that caused them
    assert TOKEN not in client.printed
    assert WRONG_TOKEN not in client.printed
