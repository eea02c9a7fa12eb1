"""The loopback Hub answers as the Hub does: what the unmodified client asks for beside a load."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..loopback.hub import Hub, User, client_environment, running_hub
from ..loopback.hub_cards import card_problems
from ..support.processes import forked_python

TOKEN, READ_TOKEN, BOBS_TOKEN = "hf_of_alice", "hf_of_alice_to_read", "hf_of_bob"

# Every line of `answers` is one claim below.
SCRIPT = '''
import json, sys
from huggingface_hub import CommitOperationAdd, HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError

api, reader, bob = (HfApi(token=token) for token in json.load(sys.stdin))
answers = {}

def refused(call, *args, **options):
    try:
        call(*args, **options)
    except (HfHubHTTPError, ValueError) as error:
        response = getattr(error, "response", None)
        return {"error": type(error).__name__, "status": response and response.status_code,
                "message": str(error)}

def read(revision, name="alice/net", file="a.txt"):
    return open(api.hf_hub_download(name, file, revision=revision)).read()

def adding(text, file="a.txt"):
    return [CommitOperationAdd(file, text.encode())]

api.create_repo("alice/net")
first = api.create_commit("alice/net", adding("one"), commit_message="First").oid
api.create_tag("alice/net", tag="v1", revision="main")
api.create_branch("alice/net", branch="draft/2")
api.create_commit("alice/net", adding("two"), commit_message="Second")
answers["again"] = [
    refused(api.create_tag, "alice/net", tag="v1"),
    refused(api.create_branch, "alice/net", branch="draft/2"),
]
api.create_branch("alice/net", branch="draft/2", exist_ok=True)
answers["read"] = [read("v1"), read("draft/2"), read("main"), read(first)]
stale = {"commit_message": "Third", "parent_commit": first}
answers["conflict"] = refused(api.create_commit, "alice/net", adding("x"), **stale)["status"]

proposal = bob.create_commit("alice/net", adding("bob's"), commit_message="Mine", create_pr=True)
answers["proposal"] = [proposal.pr_revision, proposal.pr_url, proposal.pr_num]
opened = bob.create_pull_request("alice/net", title="By hand")
on_it = {"commit_message": "On it", "revision": opened.git_reference}
bob.create_commit("alice/net", adding("later"), **on_it)
answers["proposals"] = [read("refs/pr/1"), read("refs/pr/2"), read("main"), opened.target_branch]
refs = api.list_repo_refs("alice/net", include_pull_requests=True)
answers["refs"] = {kind: [ref.name for ref in getattr(refs, kind)]
                   for kind in ("branches", "tags", "pull_requests")}
api.delete_tag("alice/net", tag="v1")
api.delete_branch("alice/net", branch="draft/2")
refs = api.list_repo_refs("alice/net")
answers["fewer refs"] = [refs.tags, [ref.name for ref in refs.branches]]
answers["titles"] = [commit.title for commit in api.list_repo_commits("alice/net")]

answers["who"] = [api.whoami()["orgs"][0]["name"], reader.whoami()["auth"]["accessToken"]["role"]]
answers["no writing"] = [
    refused(reader.create_repo, "alice/other"),
    refused(reader.create_commit, "alice/net", adding("x"), commit_message="No"),
    refused(bob.create_commit, "alice/net", adding("x"), commit_message="No"),
]
api.create_repo("lab/shared", private=True)
unseen = refused(bob.model_info, "lab/shared")
answers["seen"] = [api.model_info("lab/shared").private, unseen["status"]]

card = """---
library_name: unet_hf
license: mit
pipeline_tag: image-segmentation
tags: [cells]
datasets: [alice/cells]
base_model: alice/net
---
"""
api.create_commit("lab/shared", adding(card, "README.md"), commit_message="Card")
info = api.model_info("lab/shared", files_metadata=True)
answers["info"] = [info.library_name, info.card_data.license, info.tags, info.siblings[0].size,
                   info.last_modified.year]
answers["found"] = [
    [model.id for model in api.list_models(filter="unet_hf", limit=3)],
    [model.id for model in api.list_models(filter=["unet_hf", "cells"], author="lab")],
    [model.id for model in api.list_models(filter="unet_hf", search="nothing")],
    [model.id for model in bob.list_models(filter="unet_hf")],
]
wrong = card.replace("mit", "mine")
answers["cards"] = [refused(ModelCard(text).validate) for text in (card, wrong)]
bad = adding("---\\nlicense: [\\n---", "README.md")
answers["bad card"] = refused(api.create_commit, "lab/shared", bad, commit_message="No")["message"]

api.create_repo("alice/demo", repo_type="space", space_sdk="gradio", private=True)
space = api.space_info("alice/demo")
answers["space"] = [space.sdk, space.private]
api.update_repo_settings("alice/demo", repo_type="space", private=False)
answers["public"] = bob.space_info("alice/demo").private
api.delete_repo("alice/demo", repo_type="space")
answers["deleted"] = api.repo_exists("alice/demo", repo_type="space")

api.create_repo("alice/large")
api.create_commit("alice/large", adding("x" * 999, "w.safetensors"), commit_message="Large")
entry = api.get_paths_info("alice/large", "w.safetensors")[0]
answers["lfs"] = [read("main", "alice/large", "w.safetensors") == "x" * 999, entry.lfs.size,
                  api.model_info("alice/large", files_metadata=True).siblings[0].lfs.size]
print(json.dumps(answers))
'''


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    users = {
        TOKEN: User("alice", orgs=("lab",)),
        READ_TOKEN: User("alice", role="read"),
        BOBS_TOKEN: "bob",
    }
    with running_hub(users, large=(".safetensors",)) as hub:
        yield hub


@pytest.fixture(scope="module")
def answers(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [*forked_python(), "-c", SCRIPT],
        input=json.dumps([TOKEN, READ_TOKEN, BOBS_TOKEN]),
        env=client_environment(hub, home, TOKEN),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_tags_branches_and_commits_stay_where_they_were_made(answers):
    assert answers["read"] == ["one", "one", "two", "one"]
    assert [refusal["status"] for refusal in answers["again"]] == [409, 409]
    assert answers["fewer refs"] == [[], ["main"]]


def test_a_commit_upon_an_old_parent_is_a_conflict(answers):
    assert answers["conflict"] == 412
    assert answers["titles"][-2:] == ["First", ""]


def test_pull_requests_of_a_reader_leave_main_alone(hub, answers):
    assert answers["proposal"] == ["refs/pr/1", f"{hub.url}/alice/net/discussions/1", 1]
    assert answers["proposals"] == ["bob's", "later", "two", "refs/heads/main"]
    assert answers["refs"] == {
        "branches": ["main", "draft/2"],
        "tags": ["v1"],
        "pull_requests": ["refs/pr/1", "refs/pr/2"],
    }


def test_a_token_to_read_changes_nothing_nor_does_a_strangers(answers):
    assert answers["who"] == ["lab", "read"]
    assert [refusal["status"] for refusal in answers["no writing"]] == [403, 403, 403]


def test_what_belongs_to_an_organisation_is_its_members(answers):
    assert answers["seen"] == [True, 404]


def test_the_metadata_of_a_card_is_told_and_searched(answers):
    tags = ["unet_hf", "image-segmentation", "cells", "license:mit", "dataset:alice/cells"]
    assert answers["info"][:2] == ["unet_hf", "mit"]
    assert answers["info"][2] == [*tags, "base_model:alice/net"]
    assert answers["info"][3] > 100  # bytes
    assert answers["info"][4] == 2026
    assert answers["found"] == [["lab/shared"], ["lab/shared"], [], []]


def test_wrong_metadata_is_refused_where_it_is_validated(answers):
    good, bad = answers["cards"]
    assert good is None
    assert bad["error"] == "ValueError"
    assert "license" in bad["message"]
    assert "YAML does not parse" in answers["bad card"]


def test_spaces_have_an_sdk_and_a_visibility(answers):
    assert answers["space"] == ["gradio", True]
    assert answers["public"] is False
    assert answers["deleted"] is False


def test_large_files_go_by_lfs_and_come_back_from_another_host(hub, answers):
    assert answers["lfs"] == [True, 999, 999]
    asked = [(method, path.split("/")[1]) for method, path in hub.requests if "/large/" in path]
    assert [method for method, first in asked if first == "large"] == ["PUT", "POST", "GET"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("license: gpl-9", "license"),
        ("license_name: My own", "license_name"),
        ("datasets: [a b]", r"datasets\[0\]"),
        ("base_model: a/b/c", "base_model"),
        ("tags: cells", "array of strings"),
        ("language: English", "ISO 639"),
        ("model-index: [{results: []}]", "name"),
        ("model-index: [{name: x, results: [{task: {type: t}}]}]", "dataset.name"),
        (
            "model-index: [{name: x, results: [{task: {type: t}, dataset: {name: d, type: d}, "
            "metrics: [{type: iou, value: .nan}]}]}]",
            "finite",
        ),
        ("- a list", "not a mapping"),
        ("a: b: c", "does not parse"),
    ],
)
def test_the_hubs_rules_for_model_cards(line, words):
    errors, _ = card_problems(f"---\n{line}\n---\n# Title", "model")
    assert re.search(words, " ".join(errors))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sdk: flask", "sdk"),
        ("colorFrom: orange", "colorFrom"),
        ("sdk_version: 6.3", "sdk_version"),
        ("python_version: 3.10", "python_version"),
        ("pinned: maybe", "pinned"),
        ("app_file: 3", "app_file"),
        (f"short_description: {61 * 'x'}", "60 characters"),
    ],
)
def test_the_hubs_rules_for_spaces(line, words):
    good = {"sdk": "gradio", "colorFrom": "blue", "sdk_version": "6.31.0"}
    good |= {"python_version": '"3.10"', "app_file": "app.py", "short_description": "Short"}
    assert card_problems(spaced(good), "space") == ([], [])
    key, value = line.split(": ")
    errors, _ = card_problems(spaced(good | {key: value}), "space")
    assert len(errors) == 1
    assert words in errors[0]


def spaced(options: dict[str, str]) -> str:
    lines = [f"{key}: {value}" for key, value in options.items()]
    return "\n".join(["---", *lines, "---", "# Title"])


DATASET = """
import json
from datasets import Dataset, load_dataset

rows = Dataset.from_dict({"number": list(range(100))})
rows.push_to_hub("alice/numbers", private=True)
whole = load_dataset("alice/numbers", split="train")
stream = load_dataset("alice/numbers", split="train", streaming=True)
print(json.dumps([sum(whole["number"]), sum(row["number"] for row in stream)]))
"""


def test_a_data_set_comes_back_from_the_other_host_whole_and_streamed(tmp_path):
    with running_hub({TOKEN: "alice"}, large=(".parquet",)) as hub:
        done = subprocess.run(
            [*forked_python(), "-c", DATASET],
            env=client_environment(hub, tmp_path, TOKEN),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [4950, 4950]
    assert len([1 for method, path in hub.requests if (method, path[:7]) == ("GET", "/large/")]) > 1
