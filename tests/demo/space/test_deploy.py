"""`python -m demo.deploy` against a Hub on the loopback, by an unmodified huggingface_hub."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.space.contents import (
    MANIFEST,
    ROOT,
    source_files,
    space_contents,
    space_requirements,
)
from unet_hf.errors import PushError

from ...loopback.hub import Files, Hub, User, client_environment, running_hub
from ...loopback.hub_faults import Fault, Lost, Refuses
from ...support.processes import forked_python
from ...support.waiting import WAITS

TOKEN = "hf_the_secret_of_alice"
READ_TOKEN = "hf_reads_only"
OURS = {
    "README.md": b"---\ntitle: demo\nsdk: gradio\n---\n",
    "app.py": b"print('new')\n",
    "demo/page.py": b"PAGE = 1\n",
}

# Deploys some small files, as often as is asked, in one process.
DEPLOYS = (
    WAITS
    + """
import json, sys
from demo.space import deploy

answers = {}
asked = json.load(sys.stdin)
for name, (space, options) in asked["deploys"].items():
    before = waited_by_all()
    files = {path: text.encode() for path, text in asked["files"].items()}
    files[deploy.MANIFEST] = json.dumps(sorted(files)).encode()
    try:
        answers[name] = deploy.deploy(space, files, **options)
    except Exception as error:
        answers[name] = {"error": type(error).__name__, "message": str(error)}
        answers[name]["waited"] = waited_by_all() - before
print(json.dumps(answers))
"""
)


@dataclass(frozen=True)
class Refused:
    """A deploy that must fail: of alice, to alice/<name of the case>."""

    words: str  # a pattern of the message, cure included
    fault: Fault | None = None
    files: Files | None = None  # what is there
    options: dict[str, Any] | None = None
    space: str | None = None


COMMIT = "POST .*/commit/"
MANY = {"Retry-After": "60"}
REFUSED = {
    "foreign": Refused("holds another app: app.py.*--overwrite", files={"app.py": b"theirs"}),
    "public": Refused("exists and is public.*without --private", files={}, options={"private": 1}),
    "nowhere": Refused("shows no Space alice/nowhere.*Check the name", options={"create_pr": 1}),
    "not-hers": Refused("cannot be written to.*hf auth login", space="bob/demo"),
    "no-name": Refused("org/name|form|repo_name", space="a/b/c"),
    "status-401": Refused("hf auth login", Refuses(401)),
    "status-403": Refused("may not.*hf auth login", Refuses(403, only=COMMIT)),
    "status-412": Refused("same time.*again", Refuses(412, only=COMMIT)),
    "status-429": Refused("fewer requests.*60 s", Refuses(429, only=COMMIT, headers=MANY)),
    "status-500": Refused("in trouble.*later", Refuses(500, only=COMMIT)),
    "lost": Refused("could not be reached.*check the network", Lost(2, 10**9)),
}


class ByName:
    """Each repository's own fault; none elsewhere."""

    async def __call__(self, answer: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
        name = re.search(r"alice/([\w-]+)", scope["path"])
        case = REFUSED.get(name[1]) if name else None
        if case is None or case.fault is None:
            return await answer(scope, receive, send)
        await case.fault(answer, scope, receive, send)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    users = {TOKEN: "alice", READ_TOKEN: User("alice", role="read"), "hf_bob": "bob"}
    with running_hub(users) as hub:
        hub.plant("bob/demo", {}, kind="spaces")
        yield hub


def python(*command: str, hub: Hub, home: Path, token: str | None, **asked: Any) -> tuple[int, str]:
    """Exit status, and everything that was written."""
    done = subprocess.run(
        [*forked_python(), *command],
        env=client_environment(hub, home, token),
        cwd=ROOT,
        input=json.dumps(asked),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    assert not token or token not in done.stdout
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def deploys(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of many deploys came to, by name."""
    earlier = {**OURS, "demo/page.py": b"PAGE = 0\n", "demo/old.py": b"OLD = 1\n"}
    listed = json.dumps([*earlier, "demo/gone.py", "../up", 5]).encode()
    for space in ("alice/update", "alice/proposal"):
        kept = {"notes.txt": b"mine", "demo/mine.py": b"MINE = 1\n", ".gitattributes": b"*.x\n"}
        hub.plant(space, {**earlier, **kept, MANIFEST: listed}, kind="spaces")
    hub.plant("alice/overwritten", {"app.py": b"theirs", "style.css": b""}, kind="spaces")
    asked = {
        "new": ("alice/new", {"private": True}),
        "again": ("alice/new", {}),
        "update": ("alice/update", {}),
        "proposal": ("alice/proposal", {"create_pr": True}),
        "overwritten": ("alice/overwritten", {"overwrite": True}),
    }
    for name, case in REFUSED.items():
        if case.files is not None or case.fault is not None:
            hub.plant(f"alice/{name}", case.files or {}, kind="spaces")
        asked[name] = (case.space or f"alice/{name}", case.options or {})
    hub.fault = ByName()
    code, output = python(
        "-c", DEPLOYS,
        hub=hub, home=tmp_path_factory.mktemp("deploys"), token=TOKEN,
        deploys=asked, files={path: content.decode() for path, content in OURS.items()},
    )  # fmt: skip
    hub.restore()
    assert code == 0, output
    return json.loads(output.splitlines()[-1])


def content(hub: Hub, space: str, revision: str = "main") -> Files:
    files = dict(hub.repos["spaces", space].at(revision)[1])
    files.pop(MANIFEST, None)
    return files


def test_a_new_space_is_made_and_filled_in_one_commit(hub, deploys):
    assert deploys["new"] == [f"{hub.url}/spaces/alice/new", True]
    repo = hub.repos["spaces", "alice/new"]
    assert content(hub, "alice/new") == OURS
    assert (repo.sdk, repo.private, len(repo.commits)) == ("gradio", True, 2)  # made, filled


def test_a_deploy_of_the_same_makes_no_commit(hub, deploys):
    assert deploys["again"] == [f"{hub.url}/spaces/alice/new", False]
    assert len(hub.repos["spaces", "alice/new"].commits) == 2


def test_what_no_longer_belongs_goes_and_what_is_not_ours_stays(hub, deploys):
    assert deploys["update"][1]
    left = content(hub, "alice/update")
    kept = {"notes.txt": b"mine", "demo/mine.py": b"MINE = 1\n", ".gitattributes": b"*.x\n"}
    assert left == {**OURS, **kept}
    assert len(hub.repos["spaces", "alice/update"].commits) == 2


def test_a_pull_request_leaves_the_space_as_it_is(hub, deploys):
    address, changed = deploys["proposal"]
    assert address.endswith("/spaces/alice/proposal/discussions/1")
    assert changed
    assert "demo/old.py" in content(hub, "alice/proposal")
    proposed = content(hub, "alice/proposal", "refs/pr/1")
    assert "demo/old.py" not in proposed
    assert proposed["demo/page.py"] == OURS["demo/page.py"]


def test_another_app_is_replaced_only_when_asked(hub, deploys):
    assert content(hub, "alice/overwritten") == {**OURS, "style.css": b""}


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_names_its_cure_and_leaves_the_space_as_it_was(hub, deploys, name):
    answer = deploys[name]
    assert answer["error"] == "PushError", answer
    assert re.search(REFUSED[name].words, answer["message"]), answer["message"]
    assert TOKEN not in answer["message"]
    assert answer["waited"] < 15
    if repo := hub.repos.get(("spaces", f"alice/{name}")):
        assert len(repo.commits) == 1


def test_without_a_token_or_with_one_that_only_reads_it_says_so_in_one_line(hub, tmp_path):
    for token in (None, READ_TOKEN):
        code, output = python(
            "-m", "demo.deploy", "alice/unborn", hub=hub, home=tmp_path, token=token
        )
        assert code == 1
        assert re.search(r"^error: .*hf auth login", output, re.M), output
        assert "Traceback" not in output
    assert ("spaces", "alice/unborn") not in hub.repos


def test_a_dry_run_lists_the_files_and_asks_nothing(hub, tmp_path):
    before = len(hub.requests)
    code, output = python(
        "-m", "demo.deploy", "alice/dry", "--dry-run", hub=hub, home=tmp_path, token=TOKEN
    )
    assert code == 0
    assert re.search(r"^ +[\d,]+  unet_hf/unet\.py$", output, re.M)
    assert re.search(r"^\d+ files, [\d.]+ MB\. Nothing was sent\.$", output, re.M)
    assert len(hub.requests) == before


def test_the_space_gets_what_it_needs_and_nothing_else():
    paths = set(space_contents())
    assert {
        "app.py",
        "LICENSE",
        "README.md",
        "requirements.txt",
        "demo/viewer/web/viewer.js",
    } <= paths
    assert "unet_hf/checkpoints/unet-isbi/model.safetensors" in paths
    folders = {path.split("/")[0] for path in paths if "/" in path}
    assert folders == {"demo", "docs", "train", "unet_hf"}
    assert not any("__pycache__" in path or path.endswith(".pyc") for path in paths)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r'\]\((?!https?:)([^)#]+)|<img src="([^"]+)"', readme))
    assert {first or second for first, second in shown} <= paths
    assert "docs/demo.png" in paths


def test_files_come_from_git_where_it_is_and_from_the_folders_where_it_is_not(tmp_path):
    written = ["app.py", "demo/page.py", "demo/new.py", "demo/secret.env", "tests/test.py"]
    for path in [*written, "unet_hf/__pycache__/unet.pyc"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert source_files(tmp_path) == ["app.py", "demo/new.py", "demo/page.py", "demo/secret.env"]
    (tmp_path / ".gitignore").write_text("*.env\n")
    for command in (["init", "-q"], ["add", "app.py", "demo/page.py"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert source_files(tmp_path) == ["app.py", "demo/new.py", "demo/page.py"]
    with pytest.raises(PushError, match=r"README\.md.*missing.*clone"):
        space_contents(tmp_path)


def test_a_space_installs_gradio_by_its_sdk_version_and_torch_without_cuda():
    pinned = (ROOT / "requirements.txt").read_text()
    lines = [line.split("#")[0].strip() for line in space_requirements(pinned).splitlines()]
    assert "gradio[oauth]" in lines  # what signing in needs, of whatever version is there
    assert "spaces" in lines
    assert lines.index("--extra-index-url https://download.pytorch.org/whl/cpu") < lines.index(
        re.search(r"^torch==\S+", pinned, re.M)[0]
    )
    assert not [line for line in lines if re.match("datasets|accelerate", line)]
    with_gpu = space_requirements(pinned, gpu=True)
    assert "torch>=2.8\n" in with_gpu
    assert "index-url" not in with_gpu


def test_the_readme_describes_the_space():
    """What the Hub reads of it; https://huggingface.co/docs/hub/spaces-config-reference."""
    from ...loopback.hub_cards import card_problems, front_matter

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    described = front_matter(text)
    assert card_problems(text, "space") == ([], [])
    pinned = re.search(r"^gradio\S*==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
    assert str(described["sdk_version"]) == pinned
    assert described["sdk"] == "gradio"
    assert (ROOT / described["app_file"]).is_file()
    assert described["python_version"] in ("3.10", "3.11", "3.12", "3.13")
    assert len(described["short_description"]) <= 60
    assert described["license"] == "apache-2.0"
    assert described["hf_oauth"] is True
    assert os.environ.get("HF_TOKEN") is None  # no test here is anybody in particular


def test_what_is_deployed_reads_a_visitors_truth_and_teaches_without_what_it_leaves_out(tmp_path):
    """Every module that the page reaches for only when it is used is there, too."""
    space = tmp_path / "space"
    for path, content in space_contents().items():
        (space / path).parent.mkdir(parents=True, exist_ok=True)
        (space / path).write_bytes(content)
    script = """
import sys
sys.modules["accelerate"] = sys.modules["datasets"] = None
import numpy as np, PIL.Image
import demo.teach.tab, train.teaching.worker
from demo.truth.label_image import read_truth
from unet_hf import UNet
image = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
result = UNet(base_channels=2, depth=1).segment(image)
PIL.Image.fromarray(np.uint8(image > 99) * np.uint8(255)).save("truth.png")
truth = read_truth("truth.png", result)
assert np.array_equal(truth.classes, image > 99)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*forked_python(), "-c", script], cwd=space, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
