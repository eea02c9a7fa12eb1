"""There is no second way: Python, the command line, the endpoint and the browser's download give
the same mask, byte for byte."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from gradio_client import Client, handle_file
from playwright.sync_api import expect

from demo.synthetic import electron_micrograph
from unet_hf import UNet

from ..conftest import ROOT
from ..support.processes import forked_python

# What is said of each beside its name. The last has two channels, of which one is looked at.
IMAGES = {"slice.tif": {}, "deep.tif": {}, "channels.tif": {"channel": 1}}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    """Of odd sizes: 8 bits; 16 bits of two pages; 16 bits of two channels."""
    folder = tmp_path_factory.mktemp("images")
    drawn = electron_micrograph(257, 30).image[:, :201]
    tifffile.imwrite(folder / "slice.tif", drawn)
    pages = np.stack([drawn, drawn[::-1]]).astype(np.uint16) * 100
    tifffile.imwrite(folder / "deep.tif", pages, photometric="minisblack")
    tifffile.imwrite(folder / "channels.tif", pages, imagej=True, metadata={"axes": "CYX"})
    return {name: folder / name for name in IMAGES}


@pytest.fixture(scope="module")
def by_python(images, tmp_path_factory) -> dict[str, bytes]:
    model, folder = UNet.from_pretrained("unet-isbi"), tmp_path_factory.mktemp("python")
    return {
        name: model.segment(path, **IMAGES[name]).save(folder / name)["mask"].read_bytes()
        for name, path in images.items()
    }


def test_the_command_line_writes_the_mask_that_python_writes(images, by_python, tmp_path):
    one, two, of_channels = map(str, images.values())
    command = [*forked_python(), "-m", "unet_hf", "segment", "--model", "unet-isbi", "--page", "0"]
    for files in ([one, two], [of_channels, "--channel", "1"]):
        subprocess.run(
            [*command, *files, "--output", str(tmp_path / "out")],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    for name in IMAGES:
        (written,) = (tmp_path / "out").glob(f"{Path(name).stem}*_mask.png")
        assert written.read_bytes() == by_python[name]


def test_the_endpoint_answers_the_mask_that_python_writes(images, by_python, demo_url, tmp_path):
    client = Client(demo_url, verbose=False, download_files=str(tmp_path))
    for name, path in images.items():
        _, mask, summary = client.predict(
            handle_file(path), "unet-isbi", api_name="/segment", **IMAGES[name]
        )
        assert summary["image"]["channel"] == IMAGES[name].get("channel")
        assert Path(mask).read_bytes() == by_python[name]


def test_the_browser_downloads_the_mask_that_python_writes(images, by_python, demo_url, browser):
    with browser.new_context(accept_downloads=True) as context:
        page = context.new_page()
        page.goto(f"{demo_url}/?model=unet-isbi")
        save = page.get_by_role("button", name="Mask (PNG)")
        expect(save).to_be_enabled(timeout=60_000)
        for name, path in images.items():
            page.locator("#upload input[type=file]").set_input_files(path)
            expect(page.locator("#viewer .whose")).to_contain_text(Path(path).name)
            if "channel" in IMAGES[name]:
                page.get_by_role("slider", name="Channel").fill(str(IMAGES[name]["channel"]))
                expect(page.locator("#facts")).to_contain_text("shown this channel alone")
            expect(page.locator("#facts")).to_contain_text(" s on ", timeout=60_000)
            expect(save).to_be_enabled()
            with page.expect_download() as download:
                save.click()
            assert Path(download.value.path()).read_bytes() == by_python[name]
