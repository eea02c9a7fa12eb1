"""The scripts of the demo: their own tests under Node, their types, their lint, and what they have
to have in common with Python. The page itself needs no Node."""

import asyncio
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect
from scipy.ndimage import gaussian_filter

from demo.films import player as films
from demo.films.player import FilmValue, TracksFile
from demo.in_browser import tab as in_browser
from demo.parts.component import DEMO
from demo.parts.gradio_internals import served_address
from demo.server.http.script_caching import CheckedScripts
from demo.space.contents import ROOT, source_files
from demo.viewer.color_maps import HEAT, MAPS, shades_of
from demo.viewer.component import WEB, viewer
from demo.viewer.payload import FINE, STEPS, Payload, probability_codes
from train.teaching.strokes import raster, read_strokes
from unet_hf.objects.learned import BORDER_DEPTH, prominence

from ..support.drawn import drawn

LEAST = 18  # Debian 12 has that


@pytest.fixture(scope="session")
def node() -> str:
    """Node, and what package-lock.json names beside it; installed where this process may do so."""
    if shutil.which("npm") is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "nodejs", "npm"], check=True)
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.fail(
            f"The demo's scripts are checked with Node {LEAST} or later and npm, which are not "
            "here: `apt-get install nodejs npm` (as root), or see nodejs.org."
        )
    version = run(found, "--version").strip()
    if int(version.lstrip("v").split(".")[0]) < LEAST:
        pytest.fail(
            f"The demo's scripts are checked with Node {LEAST} or later; here is {version}."
        )
    return found


@pytest.fixture(scope="session")
def packages(node: str) -> Path:
    """node_modules as package-lock.json has it, installed at most once."""
    wanted, there = ROOT / "package-lock.json", ROOT / "node_modules" / ".unet_hf-lock.json"
    with (Path(tempfile.gettempdir()) / "unet_hf_npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait
        if not there.is_file() or there.read_bytes() != wanted.read_bytes():
            run("npm", "ci", "--silent")
            shutil.copy(wanted, there)
    return ROOT / "node_modules" / ".bin"


def run(*command: str | Path, given: str = "") -> str:
    """What a command prints, run in the repository. Fails with all of it if the command does."""
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_scripts_do_what_their_own_tests_say(node: str):
    run(node, "--test", *sorted((ROOT / "tests" / "front_end").glob("*.test.js")))


@pytest.mark.parametrize("project", ["tsconfig.json", "tsconfig.worker.json"])
def test_types_agree(packages: Path, project: str):
    run(packages / "tsc", "--project", project)


def test_nothing_is_linted(packages: Path):
    run(packages / "eslint", "--max-warnings", "0")


def test_the_lock_names_no_registry():
    """Whoever installs asks the registry that they have chosen."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert not [name for name, one in packages.items() if "resolved" in one]


# ------------------------------------------------------------------ as Python has it


def test_a_picture_is_described_by_the_same_keys():
    required, optional = keys_of(WEB / "pixels" / "payload.js", "Payload")
    assert required == Payload.__required_keys__
    assert optional == Payload.__optional_keys__


@pytest.mark.parametrize("described", [FilmValue, TracksFile], ids=lambda one: one.__name__)
def test_a_film_is_described_by_the_same_keys(described: type):
    required, optional = keys_of(films.WEB / "frames" / "value.js", described.__name__)
    assert (required, optional) == (described.__required_keys__, set())


def test_a_checkpoint_is_described_by_the_same_keys():
    _, facts = in_browser.exported("unet-isbi")
    required, optional = keys_of(in_browser.WEB / "facts.js", "Facts")
    assert (required, optional) == (facts.keys(), set())


def keys_of(module: Path, name: str) -> tuple[set[str], set[str]]:
    """Properties of a JSDoc type, and those that may be missing."""
    text = module.read_text(encoding="utf-8")
    (block,) = re.findall(
        rf"/\*\*((?:(?!\*/).)*@typedef \{{object\}} {name}\b.*?)\*/", text, re.DOTALL
    )
    found = re.findall(r"@property \{.*?\} (\[?)(\w+)\]?(?:\s|$)", block)
    return {key for mark, key in found if not mark}, {key for mark, key in found if mark}


def test_colour_maps_are_those_of_python(node: str):
    shades = computed(
        node, "viewer/web/drawing/colors.js", "Object.values(given).map(module.shadesOf)", MAPS
    )
    for name, packed in zip(MAPS, np.array(shades, np.uint32), strict=True):
        colors = np.stack([packed >> shift & 255 for shift in (0, 8, 16)], axis=1)
        assert np.array_equal(colors, shades_of(name)), name
        assert (packed >> 24 == 255).all()
    assert set(HEAT.values()) <= MAPS.keys()


def test_thresholds_cut_where_python_cuts(node: str):
    near = np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)
    probability = np.concatenate(
        [near, *(np.nextafter(near, np.float32(side)) for side in (0, 1))], dtype=np.float32
    )
    codes = probability_codes(probability[None])[0]
    script = """[...Array(given.steps + 1).keys()].map((level) => given.codes.map(
        (code) => module.classOf({ value: given, planes: { codes: [] } }, { level }, code)))"""
    given = {"codes": codes.tolist(), "fine": FINE, "steps": STEPS}
    classes = np.array(computed(node, "viewer/web/drawing/colors.js", script, given))
    expected = probability > near[:, None]
    assert np.array_equal(classes, expected)
    script = "given.codes.map((code) => module.probabilityOf({ value: given }, code))"
    back = np.array(computed(node, "viewer/web/drawing/colors.js", script, given))
    assert np.abs(back - np.where(probability > 0, probability, 0)).max() < 1e-5


def test_objects_are_parted_as_python_does(node: str):
    random = np.random.default_rng(0)
    facts = {"seed": 0.35, "min_size": 8, "border_depth": BORDER_DEPTH}
    for channels, walled in (
        (["distance"], False),
        (["distance", "border", "centre"], False),
        (["distance", "border"], True),
    ):
        maps = gaussian_filter(random.normal(size=(len(channels), 90, 110)), (0, 2.5, 2.5))
        maps = (4 * maps / maps.max()).astype(np.float32)  # so that valleys are deep enough
        maps[:, :20] = np.round(4 * maps[:, :20]) / 4  # plateaus
        mask = np.where(maps[0] > -0.1, 1 + (np.arange(110) > 60), 0).astype(np.uint8)
        result = drawn(mask, names=("ground", "cell", "nucleus"))
        walls = random.random(mask.shape, dtype=np.float32)
        result = replace(
            result,
            object_maps=maps,
            object_channels=tuple(channels),
            walled=walled,
            probabilities=np.stack([walls, 1 - walls, 0 * walls]),
        )
        expected = result.objects(method="learned", seed=0.35, min_size=8).labels
        assert expected.max() > 10
        given = {
            "maps": maps.ravel().astype(float).tolist(),
            "mask": mask.ravel().tolist(),
            "width": mask.shape[1],
            "parting": facts
            | {"channels": channels, "walled": walled, "prominence": prominence(walled)},
            "walls": walls.ravel().astype(float).tolist(),
        }
        script = """[...module.partObjects(Uint8Array.from(given.mask), module.heightMap(
            Float32Array.from(given.maps), given.parting, Float32Array.from(given.walls)),
            given.width, given.parting)]"""
        found = computed(node, "in_browser/web/objects.js", script, given)
        assert np.array_equal(np.reshape(found, mask.shape), expected), channels


def test_strokes_cover_what_python_says_they_cover(node: str):
    rng, size = np.random.default_rng(0), (40, 50)
    strokes = [
        {
            "class": int(rng.choice([0, 1, 7, 255])),
            "radius": int(rng.integers(1, 40)),
            "points": rng.integers(-30, 230, 2 * rng.integers(1, 5)).tolist(),
        }
        for _ in range(60)
    ]
    expected = [raster(read_strokes(strokes[:n], 8), size).ravel().tolist() for n in (1, 5, 20, 60)]
    script = "[1, 5, 20, 60].map((n) => [...module.raster(given.slice(0, n), [40, 50])])"
    assert computed(node, "viewer/web/brush/strokes.js", script, strokes) == expected


def computed(node: str, module: str, expression: str, given: object) -> object:
    """What an expression about a `module` of the demo and what is `given` comes to."""
    program = f"""
        import * as module from {json.dumps((ROOT / "demo" / module).as_uri())};
        const given = {json.dumps(given)};
        console.log(JSON.stringify({expression}));
    """
    return json.loads(run(node, "--input-type=module", given=program))


# ------------------------------------------------------------------------ as it is served


def test_every_script_that_is_imported_is_there_and_goes_to_a_space():
    sent = set(source_files(ROOT))
    scripts = [path for path in (ROOT / "demo").rglob("*.js") if "vendor" not in path.parts]
    assert len(scripts) > 20
    for path in scripts:
        assert path.relative_to(ROOT).as_posix() in sent
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'(?:\bfrom |\bnew URL\()"(\.[^"]+)"', text):
            assert (path.parent / name).resolve() in scripts, f"{name} in {path}"


def test_scripts_are_served_and_nothing_else_of_the_demo(served: Callable):
    url = served(lambda: viewer()).url
    answer = httpx.get(url + served_address(WEB / "viewer.js"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] in (
        "text/javascript", "application/javascript",
    )  # fmt: skip
    assert httpx.get(url + served_address(WEB.parent / "component.py")).status_code == 403
    of_the_page = {path.suffix for path in DEMO.rglob("web/**/*") if path.is_file()}
    assert of_the_page == {".js", ".css", ".html"}


def test_scripts_are_asked_for_again_and_sent_again_only_if_they_have_changed(demo_url: str):
    address = f"{demo_url}/{served_address(WEB / 'viewer.js')}"
    first = httpx.get(address)
    assert first.headers["cache-control"] == "no-cache"
    second = httpx.get(address, headers={"if-none-match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")
    changed = httpx.get(address, headers={"if-none-match": '"another"'})
    assert (changed.status_code, changed.content) == (200, first.content)


def test_a_large_script_that_has_not_changed_is_answered_by_nothing_at_all():
    """Who compresses it further out would make bytes of each of its pieces, and a 304 has none."""

    async def large(scope, receive, send):
        headers = [(b"etag", b"a"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await send({"type": "http.response.body", "body": b"2"})

    async def answer(known: bytes) -> list:
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": "a.js", "headers": [(b"if-none-match", known)]}
        await CheckedScripts(large)(scope, None, send)
        return sent

    def run(known: bytes) -> list:
        """In a thread of its own: an open browser has an event loop in this one."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, answer(known)).result()

    start, *bodies = run(b"a")
    assert start["status"] == 304
    assert bodies == [{"type": "http.response.body", "body": b"", "more_body": False}]
    assert [one.get("body") for one in run(b"b")] == [None, b"1", b"2"]


@pytest.mark.parametrize("path", ["/", "/lab/demo"])
def test_scripts_are_found_wherever_the_page_stands(browser, tmp_path, monkeypatch, path: str):
    """Behind a path of another server, with or without a slash at its end."""
    import threading
    import time

    import gradio as gr
    import uvicorn
    from fastapi import FastAPI
    from starlette.middleware import Middleware

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks(analytics_enabled=False) as blocks:
        viewer()
    app = gr.mount_gradio_app(FastAPI(middleware=[Middleware(CheckedScripts)]), blocks, path=path)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        for end in {"", "/"}:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}{path.rstrip('/')}{end}")
            # The module has run: it writes down how the picture is looked at.
            expect(page.locator("#viewer .viewer[data-seen]")).to_be_visible()
            page.close()
    finally:
        server.should_exit = True
        thread.join(30)


def test_a_part_that_does_not_load_says_so(served: Callable, browser):
    url = served(lambda: viewer()).url
    page = browser.new_page()
    page.route("**/viewer/web/viewer.js", lambda route: route.abort())
    page.goto(url)
    expect(page.locator("#viewer")).to_contain_text("did not load. Reload the page.")
    page.close()
