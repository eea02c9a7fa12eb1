"""How a visitor goes from one image to many with the same recipe, and back to one of them; and from
one frame to its film."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError
from unet_hf.images.pixel_size import PixelSize

from .batch.job import BatchJob
from .batch.tab import GONE as BATCH_GONE
from .batch.tab import BatchTab
from .films.job import FilmJob
from .films.tab import FilmTab
from .parts.component import HIDDEN
from .parts.option_boxes import as_typed
from .parts.panel import Panel
from .segment.file_list import Files
from .segment.share_link import Asked
from .segment.tab import SegmentTab
from .server.in_view import InView
from .server.predictions import Place
from .server.recipe import Recipe
from .server.results.result_store import Handle, result_store
from .server.work.queue import PREDICTS
from .viewer.component import seen

Updates = dict[Any, Any]
# On a narrow page some tabs are in a menu, which is there while it is closed.
OPEN_TAB = (
    "() => { [...document.querySelectorAll('[role=tab], .overflow-dropdown button')]"
    ".find((tab) => tab.textContent.trim() === '%s')?.click(); window.scrollTo(0, 0); }"
)
REMEMBER = "(name) => { document.documentElement.dataset.checkpoint = name; }"
# What goes over with a click: the files, what was counted, and how the picture is looked at.
WITH_VIEW = (
    "(job, files, model, counted, _) => [job, files, model, counted, "
    f"document.querySelector('#viewer .viewer')?.dataset.seen ? {seen()} : null]"
)


def many_like_this() -> gr.Button:
    """Stands beside the objects; `connect_tabs` says what it does."""
    return gr.Button("Segment many images like this", size="sm", elem_id="many_like_this")


def connect_tabs(
    page: gr.Blocks,
    segment: SegmentTab,
    objects: Panel,
    batch: BatchTab,
    film: FilmTab,
    like: gr.Button,
) -> None:
    """Says what happens when; comes after `SegmentTab.connect`."""
    inputs = [batch.job, segment.images.files, segment.model, objects.state, segment.look]
    listed = segment.images.listed

    def on_like(job: BatchJob | None, files: Files | None, model: str, *shown: Any) -> Updates:
        """The recipe of the result in view, and the files that were dropped, unless there are
        some already."""
        taken = batch.take(files.paths, model) if files and job is None else {}
        return taken | batch.fill(recipe_in_view(model, *shown))

    def on_all(job: BatchJob | None, files: Files | None, model: str, *shown: Any) -> Updates:
        """All files of the list, whatever was there before."""
        taken = batch.take(files.paths if files else None, model, job)
        return taken | batch.fill(recipe_in_view(model, *shown))

    def on_preview(
        job: BatchJob | None,
        in_view: InView,
        event: gr.EventData,
        request: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        """One image of a batch, segmented as all of them were."""
        try:
            path = image_of(job, event.name)
            # The batch may go before the picture does.
            copy = str(shutil.copy(path, segment.folders.new() / Path(event.name).name))
            place = Place(int(event.page))
            opened = segment.opened(in_view, Files((copy,)), place, job.recipe.model)
            in_view.counted_as = job.recipe
            yield opened
        except Exception as error:
            yield segment.tell(error)
            return
        asked = Asked(threshold=job.recipe.threshold)
        yield from segment.on_segment(in_view, request, profile, token, asked)

    def on_film(
        job: FilmJob | None, path: str | None, place: dict[str, Any] | None, model: str
    ) -> Updates:
        """The file in view, with the axes that a visitor has said, and the checkpoint."""
        return film.take_stack(path, axes_said(place), model, job) if path else gr.skip()

    each = {"show_progress": "hidden"} | HIDDEN
    followed = segment.images.film.submit(
        on_film, [film.job, *segment.images.image, segment.model], film.taken, **each
    )
    followed.success(None, js=OPEN_TAB % "Film", **HIDDEN)
    for asked, function in ((like.click, on_like), (listed.submit, on_all)):
        filled = asked(function, inputs, batch.taken, js=WITH_VIEW, **each)
        filled.success(None, js=OPEN_TAB % "Many images", **HIDDEN)
    # The tab In your browser begins with it.
    for chosen in (page.load, segment.model.change):
        chosen(None, segment.model, None, js=REMEMBER, **HIDDEN)
    batch.previews.select(None, js=OPEN_TAB % "Segment", **HIDDEN)
    batch.previews.select(
        on_preview,
        [batch.job, segment.images.in_view],
        segment.outputs,
        trigger_mode="multiple",
        **each,
        **PREDICTS,
    )


def image_of(job: BatchJob | None, name: str) -> Path:
    """The image of a batch that has this name; a browser may send any name.

    Raises `ConfigError` if the batch has none, also where the name leads out of its folder.
    """
    if job is not None:
        folder = job.staged.folder.resolve()
        path = (folder / name).resolve()
        if path.is_relative_to(folder) and path.is_file():
            return path
    raise ConfigError(BATCH_GONE)


def recipe_in_view(model: str, counted: Handle | None, view: dict[str, Any] | None) -> Recipe:
    """The recipe of the result in view.

    counted: The handle of its objects, if they were counted. view: See `viewer.component.seen`.
    """
    threshold = (view or {}).get("threshold")
    try:
        value = result_store().get(counted)
    except ConfigError:  # they had to leave
        value = None
    if value is None:
        return Recipe(model, threshold)
    objects = value[1]
    return Recipe(
        model,
        threshold,
        objects.method,
        objects.min_size,
        objects.exclude_border,
        size_said(objects.pixel_size),
        objects.seed,
    )


def size_said(size: PixelSize | None) -> str:
    """ "0.25 um", as a field for pixel sizes takes it; empty unless a person has said it."""
    return as_typed(size) if size is not None and size.source == "given" else ""


def axes_said(place: dict[str, Any] | None) -> str | None:
    """The axes of the file in view, if a person has said them. place: See `show_place`."""
    given = place is not None and not place["own_axes"]
    return place["axes"] or None if given else None
