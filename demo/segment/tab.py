"""The tab Segment: an image, a checkpoint, and the result in the viewer.

Whatever a visitor chooses (a file, a page, an example, a checkpoint) is shown at once, bare or with
the result that it has already, and is segmented next. `InView` is what was chosen last.
"""

import html
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.batch.progress import duration
from unet_hf.errors import ConfigError

from ..parts.component import HIDDEN
from ..parts.downloads import Download, connect
from ..parts.panel import Panel
from ..parts.sessions import session_of
from ..server import sign_in
from ..server.checkpoints.model_facts import model_choices
from ..server.checkpoints.models import Visitor, checked_name, load_model
from ..server.errors_in_words import page_sentence
from ..server.fast import offered
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.predictions import Place, read_upload, segment_file, start_with
from ..server.work.computation import Computation, Report
from ..server.work.queue import PREDICTS
from ..server.work.runs import StoppedError, sessions
from ..viewer.component import busy, idle, seen, show_result
from .examples import Example, picker
from .file_list import Files
from .model_panel import STYLE as PANEL_STYLE
from .model_panel import panel
from .share_link import Asked, read_link, show_as_asked
from .shown import Shown, no_alert

LOOK_SECONDS = 0.3  # between two looks at how far a prediction is
Updates = dict[Any, Any]
# Gradio empties the outputs of a generator that ends without an update.
NOTHING: Updates = gr.skip()


class SegmentTab(Shown):
    """Adds its components where it is made, on the page that is being built; `connect` comes last.

    `under_picture`, `beside` and `below` all of it are places for other parts.

    Args:
        models: Checkpoints to choose from. any_model: Others may be typed.
        default_model: Offered first; None: the first example's own.
        folders: Where files to take home are written.
        more_files: What other parts offer for download, beside `DOWNLOADS`.
    """

    def __init__(
        self,
        models: Sequence[str],
        any_model: bool,
        default_model: str | None,
        folders: ResultFolders,
        more_files: Sequence[Download] = (),
    ) -> None:
        super().__init__(folders)
        self.default_model = default_model
        self.first = next(
            (example for example in self.examples if example.model == default_model),
            self.examples[0],
        )
        with gr.Row(equal_height=False, elem_id="workbench"):
            with gr.Column(min_width=200, elem_id="choices"):
                self.images.add_upload()
                self.gallery = picker()
                self.model = gr.Dropdown(
                    model_choices(models),
                    value=default_model or self.first.model,
                    label="Checkpoint",
                    info="or a Hub id: org/name" if any_model else None,
                    allow_custom_value=True,
                    elem_id="model",
                )
                self.run = gr.Button("Segment", variant="primary", elem_id="segment")
                self.about = gr.HTML(css_template=PANEL_STYLE, elem_id="about")
            with gr.Column(min_width=280, elem_id="middle"):
                self.add_middle(more_files)
            self.beside = gr.Column(min_width=260, elem_id="beside")
        self.below = gr.Column(elem_id="below")

    def connect(
        self,
        page: gr.Blocks,
        of_result: Sequence[Panel] = (),
        of_picture: Sequence[Panel] = (),
        objects: Panel | None = None,
    ) -> None:
        """Says what happens when.

        of_result: Parts that show something of the result in view. of_picture: Those that show
        something of the picture in view, whatever its result. objects: One of these, writes files.
        """
        self.of_result, self.of_picture, self.objects = of_result, of_picture, objects
        images, model = self.images, self.model
        outputs = [
            self.current, self.version, self.picture, self.facts, self.exact, self.share,
            self.downloads, self.alert, *self.unlike.outputs, *self.outdated(another_picture=True),
        ]  # fmt: skip
        self.outputs = [*images.outputs, model, *outputs]  # of whatever opens another picture
        about = [model, images.in_view]
        # Every choice counts, also while an earlier one is at work: that one ends by itself.
        each = {"trigger_mode": "multiple", "show_progress": "hidden"} | HIDDEN
        then = each | PREDICTS

        chosen = images.connect(self.show, self.show_nothing, self.tell, self.reading, outputs)
        chosen.append(
            self.gallery.select(
                self.on_example,
                images.in_view,
                self.outputs,
                **each,
            )
        )
        chosen.append(model.input(self.on_model_input, [model, images.in_view], outputs, **each))
        for choice in chosen:
            choice.success(self.on_segment, images.in_view, outputs, **then)
        # The checkpoint that fits the picture, in one click.
        fits = self.unlike.use.click(self.on_fitting, images.in_view, [model, *outputs], **each)
        fits.success(self.on_segment, images.in_view, outputs, **then)
        # Exactly, in one click, and from then on.
        exact = self.exact.click(self.on_exact, images.in_view, outputs, **each)
        exact.success(self.on_segment, images.in_view, outputs, **then)
        self.run.click(self.on_run, [model, images.in_view], outputs, **then)
        self.picture.stop(self.on_stop, images.in_view, self.picture, queue=False, **each)
        page.load(
            self.on_load, images.in_view, [images.source, model, *outputs], **each, **PREDICTS
        )
        connect(
            self.downloads,
            self.write,
            [self.current, objects.state if objects else self.current, self.look, *self.in_view],
            f"(result, objects, _, ...others) => [result, objects, {seen()}, ...others]",
            self.alert,
        )
        # The lines for Python also say the precision, which a result may have changed.
        for changed in (model.change, self.current.change, page.load):
            changed(self.on_model, about, self.about, show_progress="hidden", **HIDDEN)

    # ---------------------------------------------------------------------------- events

    def on_example(self, in_view: InView, event: gr.SelectData) -> Updates:
        example = self.examples[event.index]
        image = read_upload(example.path)
        in_view.choose(example.path)
        in_view.model = example.model
        shown = self.images.replaced_by(example.path) | self.show(in_view, image, None)
        # Another choice may have come meanwhile, which the page has then been told of already.
        return (shown if in_view.is_at(example.path) else {}) | {self.model: in_view.model}

    def opened(self, in_view: InView, files: Files, place: Place, model: str) -> Updates:
        """Files from elsewhere, of which the current one is segmented next. Raises `ImageError`."""
        image = read_upload(files.path, place)
        in_view.choose(files.path, place)
        in_view.choose_model(model)
        shown = self.show(in_view, image, None)
        return self.images.brought(files, image) | shown | {self.model: model}

    def on_model_input(self, name: str, in_view: InView) -> Updates:
        """The picture that is in view is segmented with another checkpoint."""
        in_view.choose_model(name)
        return self._asked_anew(in_view)

    def on_exact(self, in_view: InView) -> Updates:
        """The picture that is in view is segmented in float32, as is all that follows."""
        in_view.compute_exactly()
        return self._asked_anew(in_view)

    def _asked_anew(self, in_view: InView) -> Updates:
        """The picture in view with a result that it has already, or until it is computed."""
        if in_view.wanted[0] is None:
            in_view.is_wanted = False
            return NOTHING
        if (kept := self.kept(in_view)) is not None:
            shown = self.show_result(in_view, kept, show_result(kept, by=in_view.title))
        else:
            shown = {self.picture: busy("Segmenting …")}
        return shown | {self.alert: no_alert()}

    def on_fitting(self, in_view: InView) -> Updates:
        """The picture is segmented with the checkpoint that was offered for it."""
        if in_view.fitting is None:  # another result has come into view meanwhile
            return NOTHING
        name = in_view.fitting
        return {self.model: name} | self.on_model_input(name, in_view)

    def on_stop(self, in_view: InView) -> Updates:
        in_view.stop()
        return {self.picture: idle()}

    def on_run(
        self,
        name: str,
        in_view: InView,
        request: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        """Once more, whatever is in view."""
        in_view.choose_model(name)
        yield {self.alert: no_alert()}
        yield from self.on_segment(in_view, request, profile, token)

    def on_segment(
        self,
        in_view: InView,
        request: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
        view: Asked = Asked(),  # noqa: B008
    ) -> Iterator[Updates]:
        """How far it is, then the result. Says nothing if the visitor chooses another picture, page
        or checkpoint meanwhile, or stops it."""
        visitor = sign_in.visitor(profile, token)
        try:
            with sessions().run(session_of(request)) as run, in_view.computing(run):
                path, place, name, precision = wanted = in_view.key
                if not in_view.is_wanted:  # it has waited for the one before
                    yield NOTHING
                    return

                def compute(report: Report) -> Segmentation:
                    found = segment_file(
                        path,
                        name,
                        place=place,
                        progress=report,
                        visitor=visitor,
                        run=run,
                        precision=precision,
                    )
                    if not self.is_drawn_for(path, name):
                        self.unlike.fitting(found, name)
                    in_view.note_model(name, load_model(name, visitor))
                    return found

                work = Computation(compute)
                while not work.has_ended(LOOK_SECONDS):
                    wait = in_view.still_wants(wanted)
                    yield {self.picture: busy(how_far(work, in_view.title))} if wait else NOTHING
                result = work.result()
            self.note_example(wanted, result)
            drawn = show_as_asked(result, view, in_view.title, in_view.opened_at)
        except StoppedError:
            # What it has said before may arrive after the stop, and would stay.
            yield NOTHING if in_view.is_wanted else {self.picture: idle()}
            return
        except Exception as error:
            failed = in_view.still_wants(wanted)
            in_view.is_wanted = in_view.is_wanted and not failed
            yield {self.picture: idle()} | self.tell(error) if failed else NOTHING
            return
        # Looked at once more: writing what the viewer is sent takes its time, too.
        if not in_view.still_wants(wanted):
            yield NOTHING
        elif in_view.is_answer:  # strokes were answered meanwhile, and say more
            in_view.is_wanted = False
            in_view.results.keep(wanted, result)
            yield {self.picture: idle()}
        else:
            yield self.show_result(in_view, result, drawn)

    def on_load(
        self,
        in_view: InView,
        request: gr.Request,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        """The first picture, or that of the address: /?model=org/name, and see `share_link`."""
        if in_view.picture is not None:  # the visitor was faster than the network was free
            yield NOTHING
            return
        asked = read_link(request.query_params, self.examples)
        example, faults = asked.example or self.first, list(asked.faults)
        path, name = example.path, example.model
        visitor = sign_in.visitor(profile, token)
        try:
            if wanted := asked.model or (None if asked.example else self.default_model):
                wanted = checked_name(wanted)
                path = self._picture_for(wanted, asked.example, visitor)
                name = wanted
            if asked.threshold is not None and load_model(name, visitor).threshold is None:
                faults.append(f"{name} has more than two classes, and so no threshold.")
        except Exception as error:
            faults.append(page_sentence(error))
        refusal = self.tell(ConfigError(" ".join(faults))) if faults else {}
        if in_view.picture is not None:
            yield NOTHING
            return
        in_view.choose(path)
        in_view.choose_model(name)
        yield {self.images.source: path, self.model: name} | refusal
        if (kept := self.kept(in_view)) is not None:
            drawn = show_as_asked(kept, asked, in_view.title)
            yield self.show_result(in_view, kept, drawn)
            return
        yield from self.on_segment(in_view, request, profile, token, asked)

    def _picture_for(self, name: str, example: Example | None, visitor: Visitor | None) -> str:
        """The example, or something that this checkpoint can make sense of, if there is anything.

        Raises as `load_model` does.
        """
        if example:
            load_model(name, visitor)
            return example.path
        made_for_it = [example.path for example in self.examples if example.model == name]
        if made_for_it:
            return made_for_it[0]
        return start_with(name, self.folders.new(), visitor) or self.first.path

    def on_model(
        self,
        name: str,
        in_view: InView,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> str:
        """What the chosen checkpoint is; a refusal is told where the image is segmented."""
        try:
            network = load_model(name, sign_in.visitor(profile, token))
            return panel(name, network, offered(network, in_view.precision))
        except Exception as error:
            return f'<p class="small">{html.escape(page_sentence(error))}</p>'


def how_far(work: Computation[Any], title: str) -> str:
    """ "Segmenting with Cell nuclei: about 12 s left." """
    with_it = f"Segmenting with {title}" if title else "Segmenting"
    if (left := work.seconds_left) is not None:
        return f"{with_it}: about {duration(left)} left."
    return f"{with_it} …"
