"""The teachings of this visit as a list: any of them, or what was there before, can be chosen."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..parts.component import HIDDEN
from ..segment.tab import SegmentTab
from ..server.checkpoints.model_facts import title_of
from ..server.in_view import InView
from ..server.work.queue import PREDICTS
from .sitting import Sitting

Updates = dict[Any, Any]


class History:
    """The components, each added to the page where it is to stand; `connect` comes last."""

    def add_buttons(self) -> None:
        """What the last teaching began with, and what came of it, one click away."""
        self.before, self.after = (
            gr.Button(
                name, size="sm", min_width=90, interactive=False, elem_id=f"teach_{name.lower()}"
            )
            for name in ("Before", "After")
        )

    def add_list(self) -> None:
        self.list = gr.Radio(
            [], label="Teachings of this visit", visible=False, elem_id="teach_history"
        )

    def shown_for(self, sitting: Sitting, chosen: str) -> Updates:
        """The updates after a teaching. chosen: The checkpoint that the page works with now."""
        usable = gr.update(interactive=True)
        listed = gr.update(choices=choices(sitting), value=chosen, visible=True)
        return {self.list: listed, self.before: usable, self.after: usable}

    @property
    def outputs(self) -> list[gr.components.Component]:
        """Those that `shown_for` changes."""
        return [self.list, self.before, self.after]

    def connect(
        self,
        segment: SegmentTab,
        sitting: gr.State,
        go_to: Callable[[str, InView], Updates],
        outputs: list[gr.components.Component],
    ) -> list[gr.events.Dependency]:
        """go_to: Gives the updates, of `outputs`, that bring another checkpoint into use.

        Returns the events that bring its result into view.
        """

        def on_choose(name: str, sitting: Sitting, in_view: InView) -> Updates:
            known = {value for _, value in choices(sitting)}
            return go_to(name, in_view) if name in known else gr.skip()

        def on_before(sitting: Sitting, in_view: InView) -> Updates:
            return go_to(sitting.lessons[-1].base, in_view) if sitting.lessons else gr.skip()

        def on_after(sitting: Sitting, in_view: InView) -> Updates:
            return go_to(sitting.lessons[-1].name, in_view) if sitting.lessons else gr.skip()

        view = segment.images.in_view
        each = {"show_progress": "hidden", "trigger_mode": "multiple"} | HIDDEN
        chosen = (
            self.list.input(on_choose, [self.list, sitting, view], outputs, **each),
            self.before.click(on_before, [sitting, view], outputs, **each),
            self.after.click(on_after, [sitting, view], outputs, **each),
        )
        # However the checkpoint was chosen; one that was not taught here is none of the list.
        segment.model.change(None, segment.model, self.list, js="(name) => name", **HIDDEN)
        return [
            one.success(segment.on_segment, view, segment.outputs, **each, **PREDICTS)
            for one in chosen
        ]


def choices(sitting: Sitting) -> list[tuple[str, str]]:
    """Label and checkpoint: the latest teaching first, what they began with last."""
    taught = [(f"{lesson.title}: {lesson.words}", lesson.name) for lesson in sitting.lessons]
    bases = dict.fromkeys(lesson.base for lesson in sitting.lessons)
    return taught[::-1] + [(f"Not taught: {title_of(base)}", base) for base in bases]
