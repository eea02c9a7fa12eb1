"""From one image to many with the same recipe and back, and from a frame to its film."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import Page, expect

from demo.between_tabs import axes_said, image_of, recipe_in_view
from demo.interface import build
from demo.segment.film_note import frames_in
from demo.server.predictions import segment_file
from demo.server.recipe import Recipe
from demo.server.results.result_store import result_store
from unet_hf import read_image
from unet_hf.errors import ConfigError

from ...support.page_events import Events

DROP = """(content) => {
  const bytes = Uint8Array.from(content), files = new DataTransfer();
  files.items.add(new File([bytes], "dropped.png"));
  const options = { bubbles: true, cancelable: true, dataTransfer: files };
  const over = new DragEvent("dragover", options), drop = new DragEvent("drop", options);
  document.body.dispatchEvent(over);
  document.body.dispatchEvent(drop);
  return [over.defaultPrevented, drop.defaultPrevented];
}"""


def test_the_recipe_in_view_is_that_of_the_picture_and_its_objects(tiny: str, picture: Path):
    assert recipe_in_view("unet-nuclei", None, {}) == Recipe("unet-nuclei")
    result = segment_file(str(picture), tiny, threshold=0.4)
    objects = result.objects(
        method="watershed", min_size=7, exclude_border=True, pixel_size="0.25 0.5 um"
    )
    handle = result_store().keep((result, objects))
    assert recipe_in_view(tiny, handle, {"threshold": 0.4}) == Recipe(
        tiny, 0.4, "watershed", 7, True, "0.25 0.5 um"
    )


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_dropped_files_go_to_many_images_and_one_of_them_back(
    served: Callable, picture: Path, tmp_path: Path
):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    with PIL.Image.open(picture) as image:
        for number, path in enumerate(paths):
            image.crop((0, 0, 96 - 8 * number, 90)).save(path)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in paths[1:]:
            archive.write(path, path.name)
    page = served(build("unet-nuclei"))
    upload, run = page.locator("#upload input[type=file]"), page.locator("#batch_run")
    name = page.locator("#viewer .whose")
    expect(page.locator("#viewer canvas.drawn")).to_be_visible(timeout=60_000)

    # The tab In your browser begins with the checkpoint that is chosen here.
    assert page.evaluate("document.documentElement.dataset.checkpoint") == "unet-nuclei"

    upload.set_input_files(paths)
    expect(page.locator("#files button.name")).to_have_count(3)
    expect(name).to_have_text("0.png Cell nuclei · threshold 0.40")
    page.locator("#files .all").click()
    expect(run).to_have_text("Segment 3 images with Cell nuclei")
    expect(page.locator("#batch_threshold input, #batch_threshold textarea")).to_have_value("0.4")
    run.click()
    expect(page.locator("#batch_progress")).to_contain_text("Finished: 3 of 3 segmented.")
    expect(page.locator("#batch_progress")).to_contain_text("Cell nuclei (unet-nuclei), threshold")

    page.locator("#batch_previews button").nth(2).click()
    expect(page.get_by_role("tab", name="Segment")).to_have_attribute("aria-selected", "true")
    expect(name).to_contain_text("2.png")
    expect(name).to_contain_text("threshold 0.40")

    open_tab(page, "Compare")  # where nothing takes files: the browser would open them
    content = list(paths[1].read_bytes())
    assert page.evaluate(DROP, content) == [True, True]
    open_tab(page, "Segment")
    expect(name).to_contain_text("dropped.png")

    upload.set_input_files(tmp_path / "all.zip")
    expect(page.locator("#alert")).to_contain_text("An archive has many images.")
    page.locator("#files .all").click()
    expect(run).to_have_text("Segment 2 images with Cell nuclei")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "..", "", "link.png"])
def test_a_preview_opens_no_file_that_is_not_of_its_batch(name: str, tmp_path: Path):
    """Whatever name a browser sends: other visitors' files lie beside the batch."""
    folder = tmp_path / "batch"
    folder.mkdir()
    for path in (tmp_path / "secret.png", folder / "own.png"):
        path.write_bytes(b"...")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    job = SimpleNamespace(staged=SimpleNamespace(folder=folder))
    assert image_of(job, "own.png") == folder / "own.png"
    with pytest.raises(ConfigError):
        image_of(job, name)


@pytest.mark.parametrize(
    ("axes", "frames"),
    [("TYX", 3), ("ZYX", None), ("TZYX", None), ("TCYX", 3), ("IYX", None)],
)
def test_only_pages_in_time_are_a_film(axes: str, frames: int | None, tmp_path: Path):
    shape = {"T": 3, "Z": 2, "C": 2, "I": 3, "Y": 16, "X": 20}
    pixels = np.zeros([shape[axis] for axis in axes], np.uint8)
    options = {"metadata": {"axes": axes}} if "I" not in axes else {}
    tifffile.imwrite(tmp_path / "some.ome.tif", pixels, photometric="minisblack", **options)
    assert frames_in(read_image(tmp_path / "some.ome.tif")) == frames
    if axes == "ZYX":  # as the visitor says
        assert frames_in(read_image(tmp_path / "some.ome.tif", axes="TYX")) == 2


def test_axes_go_along_only_where_a_visitor_has_said_them():
    assert axes_said({"axes": "TYX", "own_axes": ""}) == "TYX"
    assert axes_said({"axes": "TYX", "own_axes": "TYX"}) is None
    assert axes_said(None) is None


def test_a_film_goes_to_its_tab_with_the_checkpoint_and_the_axes(tiny: str, tmp_path: Path):
    tifffile.imwrite(
        tmp_path / "deep.tif",
        np.zeros((3, 16, 20), np.uint8),
        imagej=True,
        metadata={"axes": "ZYX"},
    )
    page = build("unet-nuclei")
    events = Events(page)
    place = {"axes": "TYX", "own_axes": ""}
    taken = events.on_film(None, str(tmp_path / "deep.tif"), place, tiny)
    by_name = {component.elem_id: value for component, value in taken.items()}
    assert by_name["film_model"] == tiny
    assert by_name["film_axes"]["value"] == "TYX"
    assert by_name["film_run"]["value"] == f"Follow the cells of 3 frames with {tiny}"
    assert by_name["film_player"]["frames"] == 3
