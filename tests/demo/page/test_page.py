"""The page as a whole, at every width and in both colour schemes: what it weighs, that nobody is
shut out, that it scrolls, and that what goes wrong is a sentence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ...project.test_front_end import node, packages  # noqa: F401
from ...support.viewing import camera, viewer_of

TABS = ("Segment", "Many images", "Film", "Compare", "In your browser")
OWN_KILOBYTES = 300
# What Gradio ships, which every page of Gradio's has.
GRADIOS = ("/assets/", "/static/", "/svelte/", "/node/", "/_app/", "/theme.css", "/favicon")
AXE = """() => axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(
    ({ id, nodes }) => [id, ...nodes.slice(0, 5).map(({ html, failureSummary }) =>
      `${html.slice(0, 300)} ${failureSummary.slice(0, 300)}`)]))"""


def opened(browser: Browser, url: str, width: int, scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=60_000)
    expect(page.locator("#objects tr.row").first).to_be_visible()
    return page


@pytest.fixture(scope="module")
def shared(browser: Browser, demo_url: str) -> Iterator[Page]:
    """One page for all; what a test changes of it, it changes back."""
    page = opened(browser, demo_url, 1440)
    yield page
    page.context.close()


def test_the_page_is_light(browser: Browser, demo_url: str):
    """Beside what Gradio ships, and the pixels of the first picture."""
    context = browser.new_context()
    page = context.new_page()
    network, urls, sizes = context.new_cdp_session(page), {}, {}
    network.send("Network.enable")
    network.on("Network.responseReceived", lambda told: urls.update({told["requestId"]: told}))
    network.on(
        "Network.loadingFinished",
        lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}),
    )
    page.goto(demo_url)
    expect(page.locator("#viewer canvas.drawn")).to_be_visible(timeout=60_000)
    own = {}
    for request, size in sizes.items():
        path = urls[request]["response"]["url"].removeprefix(demo_url)
        if not path.startswith(GRADIOS) and not path.endswith("pixels.bin"):
            own[path] = size
    context.close()
    heaviest = sorted(own.items(), key=lambda one: -one[1])[:8]
    assert sum(own.values()) < OWN_KILOBYTES * 1000, heaviest
    assert sum(size for path, size in own.items() if ".webp" in path) < 54_000


@pytest.mark.parametrize(
    "scheme", ["light", pytest.param("dark", marks=pytest.mark.deep("as light"))]
)
def test_nobody_is_shut_out(
    browser: Browser,
    demo_url: str,
    shared: Page,
    packages: Path,  # noqa: F811
    scheme: str,
):
    """axe-core finds nothing serious on any tab: contrast, names, roles, focus."""
    page = shared if scheme == "light" else opened(browser, demo_url, 1440, scheme)
    page.add_script_tag(path=packages.parent / "axe-core" / "axe.min.js")
    found = {}
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)  # Gradio fades tabs in
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
        if violations := page.evaluate(AXE):
            found[tab] = violations
    page.get_by_role("tab", name="Segment").click()
    assert not found, json.dumps(found, indent=1)


def test_no_tab_scrolls_sideways(browser: Browser, demo_url: str):
    """As opened on a phone, on a tablet, and on the smallest phone."""
    page = opened(browser, demo_url, 390)
    for width in (390, 820, 320):
        page.set_viewport_size({"width": width, "height": 900})
        stage = page.locator("#viewer .stage").bounding_box()
        assert stage["height"] <= 1.05 * stage["width"]  # a square picture fits without bars
        assert stage["y"] < 760
        expect(page.locator("#objects tr.row").first).to_be_visible()
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()  # none hides behind a menu
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
        page.get_by_role("tab", name="Segment").click()
    page.context.close()


def test_what_matters_is_above_the_fold(shared: Page):
    for place in (
        "#upload",
        "#model",
        "#viewer .legend",
        "#viewer .views",
        "#objects tr.row >> nth=3",
    ):
        box = shared.locator(place).bounding_box()
        assert box["y"] + box["height"] < 900, place


def test_the_wheel_scrolls_the_page_until_the_picture_is_clicked(shared: Page):
    viewer, canvas = viewer_of(shared), shared.locator("#viewer canvas")
    fitted = camera(viewer)["zoom"]

    def turn(far: float) -> float:
        before = shared.evaluate("scrollY")
        shared.mouse.wheel(0, far)
        shared.wait_for_timeout(250)
        return shared.evaluate("scrollY") - before

    canvas.hover()
    assert turn(120) > 0
    expect(viewer.locator(".wheel")).to_contain_text("Click the picture, and the wheel zooms")
    assert turn(-120) < 0
    assert camera(viewer)["zoom"] == fitted
    shared.keyboard.down("Control")
    assert turn(-120) == 0
    shared.keyboard.up("Control")
    assert camera(viewer)["zoom"] > fitted
    canvas.click()
    close = camera(viewer)["zoom"]
    assert turn(-120) == 0
    assert camera(viewer)["zoom"] > close
    shared.keyboard.press("Escape")
    close = camera(viewer)["zoom"]
    assert turn(60) > 0
    assert camera(viewer)["zoom"] == close
    shared.keyboard.press("0")
    shared.evaluate("scrollTo(0, 0)")


def test_keys_say_what_they_did(shared: Page):
    canvas, said = shared.locator("#viewer canvas"), shared.locator("#viewer .said")
    canvas.focus()
    for key, words in (
        ("1", "background shown"),
        ("1", "background hidden"),
        ("o", "Outlines"),
        ("o", "Filled"),
        ("s", "Split: the bare picture on the left"),
        ("s", "Not split"),
        ("0", "The whole picture"),
    ):
        shared.keyboard.press(key)
        expect(said).to_have_text(words)
    label = r"tissue\.png with its classes painted over: background 9\d\.\d %, nucleus \d\.\d %"
    expect(canvas).to_have_attribute("aria-label", re.compile(label))
    names = shared.locator(".viewer").evaluate_all("all => all.map((one) => one.ariaLabel)")
    assert len(set(names)) == len(names)


def test_red_boxes_become_sentences(shared: Page):
    notice = shared.locator("#notices [role=alert]")
    shared.evaluate(
        """() => { const box = document.createElement("div");
        box.dataset.testid = "toast-body"; box.textContent = "Error: Queue is full";
        document.body.append(box); }"""
    )
    expect(notice).to_contain_text("Many people are here at the moment.")
    expect(shared.locator("[data-testid=toast-body]")).to_have_count(0)
    notice.get_by_role("button", name="Close").click()
