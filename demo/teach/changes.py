"""What a teaching has changed in the picture in view: a list whose places are one click away, and
the result before, which the viewer shows left of the line of its split view."""

from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.evaluation.comparison import Region, differing_regions

from ..parts.component import HIDDEN
from ..parts.region_list import SHOWN, region_list, regions_html
from ..segment.tab import SegmentTab
from ..server import sign_in
from ..server.in_view import InView
from ..server.work.queue import MEASURES
from ..viewer.component import result_before, show_result
from .sitting import Sitting

LEAST = 12  # pixels: smaller ones are edges that have moved a little


class Changes:
    """The list; added to the page where it is made. `follow` comes last."""

    def __init__(self) -> None:
        self.list = region_list("teach_changes", ["viewer"])
        self.before = result_before("viewer")

    def outdated(self) -> dict[Any, Any]:
        """Nothing has changed in the picture in view, as far as is known."""
        return {self.list: "", self.before: None}

    def follow(self, shown: gr.events.Dependency, segment: SegmentTab, sitting: gr.State) -> None:
        """They are made anew when a result has come into view. shown: That event."""

        def on_view(
            sitting: Sitting,
            in_view: InView,
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
        ) -> tuple[Any, Any]:
            """The list and what `result_before` is given."""
            if not sitting.lessons:
                return "", None
            lesson = sitting.lessons[-1]
            if in_view.segmented_with not in (lesson.name, lesson.base):
                return "", None
            before, after = (segment.kept(in_view, model) for model in (lesson.base, lesson.name))
            if before and after and before.precision != after.precision:
                # What changes with the precision was not taught.
                visitor, version = sign_in.visitor(profile, token), in_view.version
                before = segment.computed(in_view, lesson.base, after.precision, visitor)
                if in_view.version != version:  # something else has come into view meanwhile
                    return gr.skip(), gr.skip()
            drawn = None
            if before is not None:
                drawn = show_result(before, by=in_view.title_of(lesson.base))
            return changes_html(before, after) if lesson.goes_on else "", drawn

        shown.success(
            on_view,
            [sitting, segment.images.in_view],
            [self.list, self.before],
            show_progress="hidden",
            **HIDDEN,
            **MEASURES,
        )


def changes_html(before: Segmentation | None, after: Segmentation | None) -> str:
    """The regions that have another class now, the largest first; empty where there is no before.

    A class that was renamed is none: the classes have the names they have now.
    """
    if before is None or after is None:
        return ""
    regions = differing_regions(before.mask, after.mask, after.id2label, None, SHOWN + 1)
    large = [region for region in regions if region.pixels >= LEAST]
    return regions_html("What the teaching has changed here", large, words_of)


def words_of(region: Region) -> str:
    """ "background, now nucleus, at 12, 40 (9 × 11)"."""
    x, y, width, height = region.box
    return f"{region.truth}, now {region.predicted}, at {x}, {y} ({width} × {height})"
