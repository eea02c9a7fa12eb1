"""The page: which tabs there are, and in what order."""

import os

import gradio as gr

from .api import add_endpoint
from .batch.tab import BatchTab
from .between_tabs import connect_tabs, many_like_this
from .compare.tab import compare_tab
from .films.endpoint import add_endpoint as add_track_endpoint
from .films.example import MODEL as EXAMPLE_MODEL
from .films.tab import FilmTab
from .in_browser.tab import in_browser_tab
from .objects.tab import DOWNLOADS as OBJECT_FILES
from .objects.tab import objects_view
from .parts.gradio_internals import hide_sign_in_from_api
from .parts.notices import notices
from .parts.sessions import stop_when_closed
from .parts.texts import HEADER
from .segment.tab import SegmentTab
from .server import limits, sign_in
from .server.checkpoints.models import Offer
from .server.folders import ResultFolders
from .server.results.result_store import result_store
from .teach.tab import TeachPanel
from .teach.tab import is_offered as teach_is_offered
from .truth.tab import truth_tab


def build(default_model: str | None = None, folders: ResultFolders | None = None) -> gr.Blocks:
    """The whole demo.

    default_model: Offered first; None: the first example's own.
    folders: Where results go; None: to folders that nobody sweeps.
    """
    folders = folders or ResultFolders()
    offer = Offer.of(os.environ)
    models = offer.names()
    if default_model and default_model not in models:
        models = [default_model, *models]

    with gr.Blocks(
        title="U-Net: segment nuclei, cells and membranes",
        delete_cache=(600, limits.KEEP_SECONDS),
        analytics_enabled=False,
    ) as page:
        with gr.Row(elem_id="masthead"):
            gr.HTML(HEADER)
            sign_in.add_button(os.environ)
        with gr.Tab("Segment", id="segment"):
            segment = SegmentTab(models, offer.anything, default_model, folders, OBJECT_FILES)
            with segment.beside:
                objects = objects_view(
                    segment.current,
                    segment.in_view,
                    segment.picture,
                    "viewer",
                    folders,
                    segment.downloads,
                )
                like = many_like_this()
            teaching = None
            if teach_is_offered():
                with (
                    segment.under_picture,
                    gr.Accordion("Teach", open=False, elem_id="teach") as around_teaching,
                ):
                    teaching = TeachPanel(models, folders)
            with segment.below, gr.Accordion("Ground truth", open=False, elem_id="ground_truth"):
                truth = truth_tab(
                    segment.current,
                    result_store().get,
                    segment.in_view,
                    main_viewer="viewer",
                    counted=objects.state,
                )
        with gr.Tab("Many images", id="batch"):
            batch = BatchTab(models, default_model or segment.first.model, folders)
        with gr.Tab("Film", id="film"):
            film = FilmTab(models, default_model or EXAMPLE_MODEL, folders)
        with gr.Tab("Compare", id="compare") as compare:
            compared = compare_tab(
                compare,
                segment.images.image,
                segment.images.in_view,
                models,
                segment.first.model,
            )
        with gr.Tab("In your browser", id="private"):
            in_browser_tab()
        notices()
        taught = [teaching.panel] if teaching else []
        segment.connect(page, [objects, truth, *taught], [compared], objects)
        if teaching:
            teaching.connect(segment, around_teaching)
        connect_tabs(page, segment, objects, batch, film, like)
        add_endpoint(folders)
        add_track_endpoint(folders)
        stop_when_closed(page)
    hide_sign_in_from_api(page)
    return page
