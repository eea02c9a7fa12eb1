"""The demo as a Space: what `demo.deploy` uploads, downloaded again into an empty folder and
started there; what a public Space offers to whom; and what it keeps to itself."""

import base64
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import itsdangerous
import numpy as np
import PIL.Image
import pytest
import torch
import yaml
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, expect

from demo.segment.tab import SegmentTab
from demo.server.checkpoints.models import Offer, Visitor, find_by_authors
from demo.server.folders import KeptFolders
from demo.server.in_view import InView
from demo.space.contents import space_contents
from unet_hf import UNet, shipped_checkpoints
from unet_hf.errors import CheckpointAccessError

from ...conftest import _wait_for_url
from ...loopback.hub import Files, Hub, client_environment, running_hub
from ...loopback.hub_faults import Refuses
from ...support.processes import forked_python
from ...support.waiting import WAITS
from ..teach.test_teach_page import drag

TOKENS = {"hf_the_secret_of_alice": "alice", "hf_the_secret_of_bob": "bob"}
ALICE, BOB = TOKENS
SECRET = "what the Space signs its cookies with"
SCOPES = "openid profile read-repos gated-repos contribute-repos"
# What `python -m demo.deploy` does, without the half minute of patience with a lost connection.
DEPLOY = WAITS + "import runpy; runpy.run_module('demo.deploy', run_name='__main__')"
DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
snapshot_download("alice/demo", repo_type="space", local_dir=sys.argv[1])
"""


def tiny(seed: int, folder: Path) -> Files:
    """A checkpoint's files."""
    torch.manual_seed(seed)
    UNet(base_channels=2, depth=1).save_pretrained(folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


DEEP = pytest.mark.deep("another wrong name in an address")


@dataclass(frozen=True)
class Space:
    url: str
    folder: Path
    log: Path
    temporary: Path  # where the process puts what it forgets

    def client(self, token: str | None = None) -> Client:
        """A program that talks to it, with the cookie of who has signed in."""
        headers = {"Cookie": f"session={session(token)}"} if token else None
        return Client(self.url, headers=headers, verbose=False)


def session(token: str) -> str:
    """The cookie that a Space gives to who comes back from signing in."""
    name = TOKENS[token]
    profile = {"name": name, "preferred_username": name, "profile": "", "picture": ""}
    told = {
        "access_token": token, "scope": SCOPES, "expires_at": 2**40, "userinfo": profile,
    }  # fmt: skip
    key = hashlib.sha256(f"{SECRET}-v4".encode()).hexdigest()
    content = base64.b64encode(json.dumps({"oauth_info": told}).encode())
    return itsdangerous.TimestampSigner(key).sign(content).decode()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("checkpoints")
    with running_hub(TOKENS) as hub:
        hub.plant("org/listed", tiny(1, folder / "1"))
        hub.plant("org/unlisted", tiny(2, folder / "2"))
        hub.plant("lab/any", tiny(3, folder / "3"))
        hub.plant("alice/private", tiny(4, folder / "4"), private=True)
        hub.plant("alice/gated", tiny(5, folder / "5"), gated=True)
        yield hub


@pytest.fixture(scope="module")
def space(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    """Deployed, downloaded, and started with its folder alone on the path. The first deploy
    loses its connection."""
    home = tmp_path_factory.mktemp("home")
    folder, temporary = tmp_path_factory.mktemp("space"), tmp_path_factory.mktemp("temporary")
    environment = client_environment(hub, home, ALICE)
    hub.drop_after(n_requests=4)
    impatient = [*forked_python(), "-c", DEPLOY, "alice/demo"]
    lost = subprocess.run(impatient, env=environment, capture_output=True, text=True)
    assert lost.returncode == 1
    assert lost.stderr.splitlines()[-1].startswith("error: The Hub could not be reached")
    assert all(not files for files in hub.repos["spaces", "alice/demo"].commits.values())
    hub.restore()
    command = [*forked_python(), "-m", "demo.deploy", "alice/demo"]
    subprocess.run(command, env=environment, check=True, timeout=120)
    download = [*forked_python(), "-c", DOWNLOAD, str(folder)]
    subprocess.run(download, env=environment, check=True, timeout=120)

    environment = client_environment(hub, home / "space")
    environment.pop("PYTHONPATH")
    environment |= {
        "SYSTEM": "spaces",
        "SPACE_ID": "alice/demo",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "OAUTH_CLIENT_ID": "demo",
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": SCOPES,
        "OPENID_PROVIDER_URL": hub.url,
        "UNET_HF_MODELS": "org/listed, alice/gated",
        "UNET_HF_AUTHORS": "lab",
        "UNET_HF_TEACH_SECONDS": "6",
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
    }
    log = home / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*forked_python(), "app.py"],
            cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Space(_wait_for_url(process, log), folder, log, temporary)
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def picture(tmp_path: Path, gray_image: np.ndarray) -> Path:
    path = tmp_path / "slice.png"
    PIL.Image.fromarray(gray_image).save(path)
    return path


def mask(client: Client, picture: Path, model: str) -> np.ndarray:
    _, path, _ = client.predict(handle_file(str(picture)), model, api_name="/segment")
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def refusal(client: Client, picture: Path, model: str) -> str:
    with pytest.raises(AppError) as error:
        mask(client, picture, model)
    return str(error.value)


def local_mask(hub: Hub, model: str, folder: Path, picture: Path) -> np.ndarray:
    """What Python makes of a checkpoint that lies on the Hub."""
    for path, content in hub.repos["models", model].at("main")[1].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return UNet.from_pretrained(folder).segment(picture).mask


def test_the_folder_that_was_deployed_is_all_it_takes(space, picture):
    there = {
        path.relative_to(space.folder).as_posix(): path.read_bytes()
        for path in space.folder.rglob("*")
        if path.is_file() and not {".cache", "__pycache__"} & set(path.parts)
    }
    assert there == space_contents()
    client = space.client()
    expected = UNet.from_pretrained("unet-isbi").segment(picture).mask
    assert np.array_equal(mask(client, picture, "unet-isbi"), expected)
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert list(endpoints["named_endpoints"]) == ["/segment", "/objects", "/models", "/track"]
    assert not endpoints["unnamed_endpoints"]


def test_a_space_serves_what_its_owner_named_and_refuses_the_rest(space, hub, picture, tmp_path):
    client = space.client()
    for model in ("org/listed", "lab/any"):
        expected = local_mask(hub, model, tmp_path / model, picture)
        assert np.array_equal(mask(client, picture, model), expected)
    sentence = refusal(client, picture, "org/unlisted")
    assert "org/unlisted is not offered here. Offered: unet-isbi" in sentence
    assert "org/listed, alice/gated, lab/..." in sentence
    assert "is a folder of the server" in refusal(client, picture, "unet_hf/checkpoints")
    assert not any("org/unlisted" in path for _, path in hub.requests)  # not even asked for


def test_what_one_visitor_may_read_is_served_to_nobody_else(space, hub, picture, tmp_path):
    alice, bob, stranger = space.client(ALICE), space.client(BOB), space.client()
    for model in ("alice/private", "alice/gated"):
        expected = local_mask(hub, model, tmp_path / model, picture)
        assert np.array_equal(mask(alice, picture, model), expected)
    # It is in memory now. Others are asked for their own permission, and have none.
    for other in (bob, stranger):
        assert "not offered here" in refusal(other, picture, "alice/private")
        assert "gated" in refusal(other, picture, "alice/gated")
    # Also when the Hub cannot say who may read it, and a copy of downloads would be served.
    hub.fault = Refuses(500, only="alice/gated")
    assert "alice/gated" in refusal(bob, picture, "alice/gated")
    hub.restore()
    assert not list(space.temporary.glob("unet_hf_visitor_*"))  # nor does it stay on the disk


@pytest.mark.deep("test_teach_push.py pushes, test_teach_page.py teaches in a browser")
def test_who_has_signed_in_pushes_what_they_have_taught(browser: Browser, space: Space, hub: Hub):
    card = yaml.safe_load((space.folder / "README.md").read_text().split("---")[1])
    assert {"openid", "profile", *card["hf_oauth_scopes"]} == set(SCOPES.split())
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_cookies([{"name": "session", "value": session(ALICE), "url": space.url}])
    page = context.new_page()
    page.goto(f"{space.url}/?model=org/listed")
    by, button = page.locator("#viewer .whose"), page.locator("#teach_push_start")
    expect(by).to_contain_text("threshold", timeout=60_000)
    page.locator("#teach").get_by_text("Teach", exact=True).first.click()
    page.locator("#teach_paint").click()
    for key, top in (("1", 0.2), ("2", 0.6)):
        page.keyboard.press(key)
        drag(page, 0.5, top)
    expect(page.locator("#teach_progress")).to_contain_text("2 strokes", timeout=60_000)
    expect(button).to_be_hidden()
    page.locator("#teach_start").click()
    expect(button).to_be_visible(timeout=120_000)
    button.click()
    link = page.locator("#teach_pushed a")
    expect(link).to_have_attribute("href", f"{hub.url}/alice/listed-taught", timeout=60_000)
    pushed = hub.repos["models", "alice/listed-taught"]
    assert pushed.private and "Taught in a browser" in pushed.at("main")[1]["README.md"].decode()
    context.clear_cookies()
    page.reload()
    expect(by).to_contain_text("threshold", timeout=60_000)
    assert ALICE not in page.content()
    context.close()


def test_no_token_is_told_or_written(space, hub, picture):
    mask(space.client(ALICE), picture, "alice/private")
    refusal(space.client(BOB), picture, "alice/gated")
    written = [space.log, *space.temporary.rglob("*"), *space.folder.rglob("*")]
    for path in written:
        if path.is_file():
            content = path.read_bytes()
            assert not any(token.encode() in content for token in TOKENS), path


def test_the_page_offers_to_sign_in_on_a_space_and_nowhere_else(space, demo_url):
    import httpx

    assert "Sign in with Hugging Face" in httpx.get(f"{space.url}/config").text
    assert "Sign in with Hugging Face" not in httpx.get(f"{demo_url}/config").text


@pytest.mark.parametrize(
    ("asked", "chosen", "picture", "words"),
    [
        ("org/listed", "org/listed", "input.png", ""),  # its own sample
        pytest.param("org/unlisted", "unet-nuclei", "tissue.png", "not offered here", marks=DEEP),
        pytest.param(
            "org/nothing<script>", "unet-nuclei", "tissue.png", "is not a checkpoint", marks=DEEP
        ),
        pytest.param(
            "lab/missing", "unet-nuclei", "tissue.png", "no model lab/missing", marks=DEEP
        ),
    ],
)
def test_the_address_names_the_checkpoint_the_page_opens_with(
    browser: Browser,
    space: Space,
    asked: str,
    chosen: str,
    picture: str,
    words: str,
):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{space.url}/?model={asked}")
    canvas = page.locator("#viewer canvas.drawn")
    expect(canvas).to_have_attribute(
        "aria-label", re.compile(f"^{picture} with its classes"), timeout=20_000
    )
    expect(page.locator("#facts")).to_contain_text("on CPU")
    assert page.locator("#model input").input_value().endswith(chosen)
    alert = page.locator("#alert [role=alert]")
    if words:
        expect(alert).to_contain_text(words)
        assert "Traceback" not in page.content()
    else:
        expect(alert).to_have_count(0)
    context.close()


@pytest.mark.parametrize(
    ("asked", "chosen", "picture", "words"),
    [
        ("unet-superalloy", "unet-superalloy", "alloy-synthetic.png", ""),
        ("..", "unet-nuclei", "tissue.png", "is not a checkpoint"),
    ],
)
def test_an_address_names_a_checkpoint_that_ships_or_none(
    tmp_path: Path, asked: str, chosen: str, picture: str, words: str
):
    with gr.Blocks():
        segment = SegmentTab(shipped_checkpoints(), True, None, KeptFolders(tmp_path))
        segment.connect(gr.context.Context.root_block)
    request = SimpleNamespace(query_params={"model": asked})
    told = next(segment.on_load(InView(), request))
    assert Path(told[segment.images.source]).name == picture
    assert told[segment.model] == chosen
    assert bool(words) == (segment.alert in told)
    assert words in str(told)


# ------------------------------------------------------------------------- the rule alone
def test_off_a_space_everything_is_offered():
    offer = Offer.of({})
    offer.check("anybody/anything")
    assert offer.token("anybody/anything") is None  # whoever runs it, with their own token
    assert offer.names() == shipped_checkpoints()


def test_a_space_offers_what_ships_until_its_owner_says_more():
    space = {"SPACE_ID": "org/space"}
    strict = Offer.of(space)
    for name in shipped_checkpoints():
        strict.check(name)
    with pytest.raises(CheckpointAccessError, match="Offered: unet-isbi, unet-nuclei"):
        strict.check("org/a")
    listed = Offer.of({**space, "UNET_HF_MODELS": "org/a, org/b"})
    listed.check("org/b")
    assert listed.names() == [*shipped_checkpoints(), "org/a", "org/b"]
    with pytest.raises(CheckpointAccessError):
        listed.check("org/c")
    with pytest.raises(CheckpointAccessError):
        listed.check("organisation/b")
    Offer.of({**space, "UNET_HF_AUTHORS": "org"}).check("org/anything")
    Offer.of({**space, "UNET_HF_MODELS": "*"}).check("anybody/anything")


def test_the_token_of_a_space_reads_only_what_its_owner_named():
    offer = Offer.of({"SPACE_ID": "org/space", "UNET_HF_MODELS": "*,org/a", "UNET_HF_AUTHORS": "x"})
    assert offer.token("org/a") is None
    assert offer.token("org/private") is False
    assert offer.token("x/private") is False


def test_who_has_signed_in_may_use_their_own():
    offer, visitor = Offer.of({"SPACE_ID": "org/space"}), Visitor("alice", "hf_secret")
    offer.check("alice/net", visitor)
    with pytest.raises(CheckpointAccessError):
        offer.check("bob/net", visitor)
    assert "hf_secret" not in repr(visitor)


def test_an_authors_checkpoints_are_listed_by_library_name(hub, tmp_path):
    hub.plant("lab/no-unet", {"README.md": b"---\nlibrary_name: other\n---\n"})
    script = (
        "import json; from demo.server.checkpoints.models import find_by_authors;"
        "print(json.dumps(find_by_authors(['lab', 'nobody'])))"
    )
    found = subprocess.run(
        [*forked_python(), "-c", script],
        env=client_environment(hub, tmp_path), check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(found.stdout) == ["lab/any"]


def test_a_hub_out_of_reach_leaves_the_list_as_it_is(caplog):
    assert os.environ["HF_HUB_OFFLINE"] == "1"  # as everywhere in these tests
    assert find_by_authors(["lab"]) == []
    assert "could not be listed" in caplog.text
