"""README and docs/: their links lead somewhere, their commands parse, their Python runs."""

import argparse
import contextlib
import os
import re
import runpy
import shlex
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import PIL.Image
import pytest
import tifffile

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r'\]\(([^)\s]+)\)|<img src="([^"]+)"')
COMMAND = re.compile(r"(?:(?:python|accelerate launch.*?) -m |python (?=app\.py))([\w.]+)(.*)")
OPTION = re.compile(r"(?<![\w-])--\w[\w-]*")
OF_OTHERS = {"pip", "pytest"}  # programs whose options are not ours
OF_ACCELERATE = {"--multi_gpu", "--num_processes"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    found = FENCED.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def anchors(page: Path) -> set[str]:
    """What GitHub and the Hub make of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@each_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in (first or second for first, second in LINK.findall(prose(page))):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_readme_links_to_every_page_of_docs():
    linked = {first for first, _ in LINK.findall(prose(ROOT / "README.md"))}
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} <= linked


class _Reached(BaseException):
    """A command has come as far as its parser; `argument` is that parser."""


def parser_of(module: str, arguments: list[str], *, parse: bool) -> argparse.ArgumentParser:
    """Runs `python -m MODULE ARGUMENTS` up to its parser, and with `parse` through it.

    Wrong arguments raise SystemExit, as in a terminal.
    """
    usual = argparse.ArgumentParser.parse_args

    def parse_args(parser, given=None, namespace=None):
        if parse:
            usual(parser, given, namespace)
        raise _Reached(parser)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args))
        stack.enter_context(mock.patch.object(sys, "argv", [module, *arguments]))
        stack.enter_context(mock.patch.dict(os.environ))
        # One comparison needs MONAI, which is not among our requirements; its options do not.
        for name in ("monai", "monai.inferers"):
            if name not in sys.modules:
                sys.modules[name] = mock.MagicMock()
                stack.callback(sys.modules.pop, name)
        try:
            if module == "app.py":
                runpy.run_path(str(ROOT / module), run_name="__main__")
            else:
                runpy.run_module(module, run_name="__main__")
        except _Reached as reached:
            return reached.args[0]
    raise AssertionError(f"python -m {module} {shlex.join(arguments)} reads no arguments")


def commands_in(text: str) -> list[tuple[str, list[str]]]:
    """Our commands in lines of a shell, as module and arguments."""
    found = []
    for part in re.split(r"&&|\n", text):
        match = COMMAND.search(part)
        if match and match[1] not in OF_OTHERS:
            found.append((match[1], shlex.split(match[2], comments=True)))
    return [command for command in found if command != ("unet_hf", [])]  # the name alone


@each_page
@pytest.mark.filterwarnings("ignore::RuntimeWarning:runpy")  # the module is imported already
def test_every_command_of_a_block_is_understood(page):
    for text in blocks(page, "bash"):
        for module, arguments in commands_in(text):
            parser_of(module, arguments, parse=True)


@pytest.fixture(scope="module")
def known_options():
    """All options of all commands."""
    commands = ["segment", "track", "evaluate", "verify", "calibrate", "scope", "info", "export"]
    modules = [
        ("app.py", []),
        ("demo.deploy", []),
        ("demo.synthetic", []),
        ("train", []),
        ("train", ["check"]),
        *(("unet_hf", [command]) for command in commands),
    ]
    parsers = [parser_of(module, given, parse=False) for module, given in modules]
    return {option for parser in parsers for option in parser._option_string_actions}


@each_page
@pytest.mark.filterwarnings("ignore::RuntimeWarning:runpy")
def test_every_command_and_option_in_a_sentence_exists(page, known_options):
    for code in INLINE.findall(prose(page)):
        options = set(OPTION.findall(code))
        if commands := commands_in(code.replace("COMMAND", "segment")):
            for module, arguments in commands:
                parser = parser_of(module, arguments, parse=False)
                assert options <= {*parser._option_string_actions, *OF_ACCELERATE}, code
        elif page.parent.name != "benchmarks" and not code.startswith("ruff"):
            assert options <= known_options | OF_ACCELERATE, code


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with the images that the pages name."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.integers(0, 256, shape, dtype=np.uint8)

    for name in ("slice", "a", "b", "c"):
        tifffile.imwrite(tmp_path / f"{name}.tif", draw(64, 64))
    tifffile.imwrite(tmp_path / "stack.tif", draw(5, 64, 64), metadata={"axes": "ZYX"}, imagej=True)
    tifffile.imwrite(tmp_path / "film.tif", draw(3, 64, 64), metadata={"axes": "TYX"}, imagej=True)
    tifffile.imwrite(tmp_path / "cells.tif", draw(2, 64, 64), metadata={"axes": "CYX"}, imagej=True)
    tifffile.imwrite(tmp_path / "slide.ome.tif", draw(64, 64, 3), photometric="rgb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PIL.Image.Image, "show", lambda image: None)
    return {"array": draw(1, 64, 64)}


@pytest.mark.parametrize("name", ["README.md", "docs/python.md", "docs/large-images.md"])
def test_the_python_of_a_page_runs_from_top_to_bottom(name, files):
    names = dict(files)
    for code in blocks(ROOT / name, "python"):
        if "push_to_hub" not in code:  # tests/hub/test_publishing.py
            quick = code.replace("seconds=60", "seconds=1")
            exec(compile(quick, name, "exec"), names)
    assert Path("out", "mask.tif" if "large" in name else "mask.png").is_file()


@each_page
def test_all_python_is_python(page):
    for code in blocks(page, "python"):
        compile(code, str(page), "exec")


def test_the_table_of_the_engine_has_its_place():
    from benchmarks.engine import DOCS, MARKS

    text = DOCS.read_text(encoding="utf-8")
    assert [text.count(mark) for mark in MARKS] == [1, 1]
    assert commands_in(MARKS[0].strip("<!->")) == [("benchmarks.engine", ["--docs"])]
