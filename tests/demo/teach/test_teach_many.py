"""A visitor paints on one picture after another, faster than the page answers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.interface import build
from demo.synthetic import fluorescence_nuclei
from demo.teach import tab

from .test_teach_page import drag


@pytest.fixture
def answers(monkeypatch) -> Iterator[threading.Event]:
    """Strokes are answered once it is set."""
    may, real = threading.Event(), tab.answer

    def late(*arguments):
        may.wait(60)
        return real(*arguments)

    monkeypatch.setattr(tab, "answer", late)
    yield may
    may.set()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for seed, path in enumerate(paths):
        PIL.Image.fromarray(fluorescence_nuclei(96, 6, seed).image).save(path)
    return paths


def go_to(page: Page, path: Path) -> None:
    page.locator("#files button", has_text=path.name).first.click()
    expect(page.locator("#viewer .head .name")).to_have_text(path.name)


@pytest.mark.usefixtures("forked_teaching")
def test_strokes_count_though_their_picture_left_before_they_were_answered(
    served, tiny, pictures, answers
):
    page = served(build(tiny))
    expect(page.locator("#viewer .whose")).to_contain_text("threshold", timeout=60_000)
    page.locator("#teach").get_by_text("Teach", exact=True).first.click()
    page.locator("#upload input[type=file]").set_input_files(list(map(str, pictures)))
    expect(page.locator("#viewer .head .name")).to_have_text("one.png")
    page.locator("#teach_paint").click()
    for path in pictures:
        go_to(page, path)
        for key, top in (("1", 0.2), ("2", 0.6)):
            page.locator("#viewer canvas").press(key)
            drag(page, 0.5, top)
    go_to(page, pictures[0])
    answers.set()
    told = page.locator("#teach_progress")
    expect(told.locator("tr")).to_have_text([f"{path.name}2 strokes" for path in pictures])
    expect(told).not_to_contain_text("not open here")
