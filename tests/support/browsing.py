"""A real Chromium without a way out of this machine, and the demo opened in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

# What is waited for comes, however busy the machine is; one that waits in vain fails.
expect.set_options(timeout=30_000)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# A page that may not write to the clipboard.
NO_CLIPBOARD = "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One for all tests of a process; each visitor is a context of its own, which shares nothing
    with others."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, demo_url: str) -> Iterator[Page]:
    """The demo, opened, its first example segmented. Fails on any script error, and on any
    request to another host."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((demo_url, "data:", "blob:"))
            else faults.append(f"asked for {request.url}")
        ),
    )
    page.goto(demo_url)
    expect(page.locator("#viewer canvas.drawn")).to_be_visible(timeout=60_000)
    yield page
    toasts = page.locator("[data-testid=toast-body], .notice:visible").all_inner_texts()
    context.close()
    assert not faults
    assert not toasts  # what goes wrong is said in a sentence on the page, never by "Error"


def type_in(field: Locator, text: str) -> None:
    """Types as a person does. A field of a tab that was just opened may miss the first key, but
    every key tells it the whole text."""
    field.press_sequentially(text, delay=100)
    field.press("Tab")


def type_over(field: Locator, text: str) -> None:
    """The same, in place of what is there."""
    field.press("Control+a")
    type_in(field, text)


def upload(page: Page, *paths: Path) -> None:
    """To the tab *Segment*."""
    page.locator("#upload input[type=file]").set_input_files(paths)
