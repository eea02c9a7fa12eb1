"""The panel Teach: strokes on the picture become a checkpoint of the visitor's own.

While they paint, each stroke is answered at once (`answer`); a teaching changes the network itself
(`job`). What it gives is one more checkpoint, under a name that only this visitor knows, and the
whole page works with it.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from train.teaching.judging import Judgement
from train.teaching.strokes import raster, read_strokes
from unet_hf.errors import ConfigError

from ..parts.component import HIDDEN, component
from ..parts.downloads import Download, connect, download_menu, usable
from ..parts.panel import Panel
from ..parts.sessions import session_of
from ..segment.tab import SegmentTab
from ..server import limits, sign_in
from ..server.checkpoints.model_facts import model_choices
from ..server.checkpoints.models import Visitor, load_model
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.work.queue import ANSWERS, PREDICTS
from ..server.work.runs import StoppedError, sessions
from ..viewer.component import painted, show_result, tell
from .answer import answer
from .best_start import BestStart
from .changes import Changes
from .history import History
from .job import Done, teach_in_turn
from .open_row import OpenRow
from .prepared import prepare, prepare_if_idle, prepared
from .push_row import NOTHING as NOTHING_TAUGHT
from .push_row import PushRow
from .sitting import Lesson, Sitting, check_pictures
from .strokes_in import AllPainted, NothingPaintedError, read_painted
from .take_home import pack_checkpoint, pack_strokes
from .told import no_words, sentence, words
from .warm import warm
from .words import INTRO, STYLE, TELL_SHOWN, WEB, lesson_html, painted_html, progress_html

SWITCH = "UNET_HF_TEACH"  # of a Space's owner: "off", or "signed_in"
SIGN_IN = "Sign in first: on this Space only visitors who have signed in can teach."
BUSY = "A teaching is at work already. Wait until it has ended, or cancel it."
# Of buttons that were there once something had been taught.
DOWNLOADS = (
    Download("checkpoint", "Checkpoint (zip)", "taught"),
    Download("strokes", "Strokes (zip)", "painted"),
)
WITH_PAINTED = f"(_, ...others) => [{painted()}, ...others]"
Updates = dict[Any, Any]


def is_offered() -> bool:
    return os.environ.get(SWITCH, "") != "off"


class TeachPanel:
    """Adds its components where it is made, on the page that is being built; `connect` comes last.

    models: Checkpoints that the list offers beside the taught ones.
    """

    def __init__(self, models: Sequence[str], folders: ResultFolders) -> None:
        self.models, self.folders = list(models), folders
        self.sitting = gr.State(Sitting(), time_to_live=limits.KEEP_SECONDS)
        self.given = gr.JSON(None, visible="hidden", label="Painted")
        self.unsure = gr.JSON(None, visible="hidden", label="Unsure")
        self.intro = gr.HTML(f'<div class="teaching"><p>{INTRO}</p></div>', css_template=STYLE)
        self.history = History()
        with gr.Row(elem_id="teach_buttons"):
            self.brush = gr.Button("Paint", size="sm", min_width=90, elem_id="teach_paint")
            self.start = gr.Button(
                "Teach", variant="primary", size="sm", min_width=90, elem_id="teach_start"
            )
            self.cancel = gr.Button(
                "Cancel", size="sm", min_width=90, interactive=False, elem_id="teach_cancel"
            )
            self.ask = gr.Button(
                "Where is it unsure?", size="sm", min_width=150, interactive=False,
                elem_id="teach_unsure",
            )  # fmt: skip
            self.best = BestStart(models)
            self.history.add_buttons()
        self.at_once = gr.Checkbox(
            True, label="Answer each stroke at once", elem_id="teach_at_once"
        )
        self.told = gr.HTML(visible="hidden", elem_id="teach_told")
        self.progress = component(WEB / "teaching", elem_id="teach_progress")
        self.history.add_list()
        self.changes = Changes()
        self.downloads = download_menu(DOWNLOADS, "teach_downloads")
        self.opener = OpenRow(folders)
        self.push = PushRow(folders) if sign_in.is_possible(os.environ) else None

    @property
    def panel(self) -> Panel:
        """What belongs to the result in view: where it is unsure, and what has changed."""
        asleep = gr.update(interactive=False)
        return Panel(lambda: {self.unsure: None, self.ask: asleep} | self.changes.outdated())

    def connect(self, segment: SegmentTab, around: gr.Accordion) -> None:
        """Says what happens when; comes after `SegmentTab.connect`. around: It opens and closes."""
        self.segment = segment
        view = segment.images.in_view
        each = {"show_progress": "hidden"} | HIDDEN
        around.expand(self.on_open, [self.sitting, view], None, **each, **ANSWERS)
        self.brush.click(None, self.given, None, js=f"() => ({tell('viewer', 'paint')})(null)")
        segment.picture.input(
            self.on_stroke,
            [self.given, self.sitting, self.at_once, view],
            [self.progress, self.unsure, self.ask, self.downloads, self.told, *segment.outputs],
            js=WITH_PAINTED,
            trigger_mode="always_last",
            **each,
            **ANSWERS,
        )
        taught = self.start.click(
            self.on_teach,
            [self.given, self.sitting, segment.model, view],
            [self.start, self.cancel, self.progress, self.told, self.downloads,
             *self.history.outputs, *(self.push.outputs if self.push else []),
             *segment.outputs],
            js=WITH_PAINTED,
            concurrency_id="teaching",
            concurrency_limit=16,
            **each,
        )  # fmt: skip
        shown = taught.success(
            segment.on_segment, view, segment.outputs, trigger_mode="multiple", **each, **PREDICTS
        )
        self.changes.follow(shown, segment, self.sitting)
        self.cancel.click(self.on_cancel, self.sitting, self.cancel, queue=False, **each)
        self.ask.click(None, self.unsure, None, js=f"(box) => ({tell('viewer', 'visit')})(box)")
        connect(
            self.downloads,
            self.write,
            [self.given, self.sitting, segment.model],
            WITH_PAINTED,
            self.told,
        )
        for shown in self.history.connect(
            segment, self.sitting, self._go_to, [self.told, *segment.outputs]
        ):
            self.changes.follow(shown, segment, self.sitting)
        self.best.connect(
            segment, self.given, self.sitting, self.told, self.progress, WITH_PAINTED, self._go_to
        )
        self.opener.connect(segment, self.sitting)
        segment.picture.change(None, segment.picture, None, js=TELL_SHOWN, **HIDDEN)
        if self.push:
            self.push.connect(self.sitting, segment.model)

    # ----------------------------------------------------------------------------- strokes

    def on_open(
        self,
        sitting: Sitting,
        in_view: InView,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> None:
        """The panel is open: who reads it paints next."""
        prepare_if_idle(sitting, in_view, sign_in.visitor(profile, token))

    def on_stroke(
        self,
        given: Any,
        sitting: Sitting,
        at_once: bool,
        in_view: InView,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        """Something was painted on the picture in view, or taken away."""
        try:
            sitting.note_places(in_view)
            all_painted = read_painted(given, sitting)
        except NothingPaintedError:
            if at_once:
                prepare(sitting, in_view, sign_in.visitor(profile, token))
            empty = {self.progress: "", self.downloads: usable(painted=False)}
            return empty | self._as_before(in_view) | no_words(self.told)
        except Exception as error:
            return {self.told: words(error)}
        told = {self.downloads: usable(painted=True)} | no_words(self.told)
        if not sitting.is_busy:
            told[self.progress] = painted_html(all_painted, in_view.picture)
        if at_once:
            try:
                visitor = sign_in.visitor(profile, token)
                told |= self._answered(all_painted, sitting, in_view, visitor)
            except Exception as error:
                told[self.told] = words(error)
        warm().start()  # not before the answer, which would have to share the processor with it
        return told

    def _answered(
        self,
        all_painted: AllPainted,
        sitting: Sitting,
        in_view: InView,
        visitor: Visitor | None = None,
    ) -> Updates:
        """The picture in view with what its strokes say."""
        path, place, name = in_view.wanted
        here = [one for one in all_painted.pictures if (one.path, one.place) == (path, place)]
        if not here:  # yet, perhaps
            shown = self._as_before(in_view)
            prepare(sitting, in_view, visitor)
            return shown
        wanted = (path, place, name)
        model = load_model(name, visitor)
        image, features = prepared(sitting, model, wanted)
        classes = all_painted.classes
        label = raster(read_strokes(here[0].strokes, len(classes)), (image.height, image.width))
        if (label == 255).all():
            return self._as_before(in_view)
        found = answer(
            model, image, features, label, classes, all_painted.colors, all_painted.formerly
        )
        if in_view.wanted != wanted:
            return {}
        title = f"{in_view.title}, with your strokes"
        shown = self.segment.show_answer(in_view, found.result, show_result(found.result, by=title))
        return shown | {
            self.unsure: found.unsure,
            self.ask: gr.update(interactive=found.unsure is not None),
        }

    def _as_before(self, in_view: InView) -> Updates:
        """The result of the network alone, if an answer is in view."""
        if not in_view.is_answer:
            return {}
        in_view.is_answer = False  # also where the network is still at work on it
        return self.segment.show_kept(in_view)

    # ---------------------------------------------------------------------------- teaching

    def on_teach(
        self,
        given: Any,
        sitting: Sitting,
        model: str,
        in_view: InView,
        request: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        """Teaches on all strokes; the taught checkpoint is chosen unless it became worse."""
        if sitting.is_busy:
            yield {self.told: sentence(BUSY)}
            return
        visitor = sign_in.visitor(profile, token)
        sitting.is_busy, sitting.is_cancelled = True, False
        at_work = {
            self.start: gr.update(interactive=False), self.cancel: gr.update(interactive=True),
        }  # fmt: skip
        at_rest = {
            self.start: gr.update(interactive=True), self.cancel: gr.update(interactive=False),
        }  # fmt: skip
        try:
            if os.environ.get(SWITCH) == "signed_in" and visitor is None:
                raise ConfigError(SIGN_IN)
            sitting.note_places(in_view)
            all_painted = read_painted(given, sitting)
            check_pictures(len(all_painted.pictures))
            base = sitting.base_of(model)
            network = load_model(base, visitor)
            title = f"{network.title or base}, taught {datetime.now():%H:%M}"
            yield at_work | no_words(self.told)
            done = None
            with sessions().run(session_of(request)) as run, self.folders.lent() as folder:
                steps = teach_in_turn(sitting, network, all_painted, folder, run, title)
                for status in steps:
                    if isinstance(status, Done):
                        done = status
                    else:
                        yield {self.progress: progress_html(status)}
            lesson = lesson_of(done, title, base, all_painted)
            sitting.lessons.append(lesson)
        except StoppedError:
            yield at_rest | {self.progress: ""} | no_words(self.told)
            return
        except Exception as error:
            yield at_rest | {self.progress: "", self.told: words(error)}
            return
        finally:
            sitting.is_busy = False
        told = at_rest | {
            self.progress: lesson_html(lesson, all_painted.absent),
            self.downloads: usable(taught=True),
        }
        if self.push:
            told |= self.push.shown_for(lesson)
        in_view.titles[lesson.name] = title
        # The list of choices is this visitor's alone.
        listed = {self.segment.model: gr.update(choices=self._choices(sitting))}
        chosen = model if lesson.is_worse else lesson.name
        told |= self.history.shown_for(sitting, chosen)
        if lesson.is_worse:
            yield told | listed
            return
        listed = {self.segment.model: gr.update(choices=self._choices(sitting), value=lesson.name)}
        yield told | self._go_to(lesson.name, in_view) | listed

    def _choices(self, sitting: Sitting) -> list[tuple[str, str]]:
        taught = [(lesson.title, lesson.name) for lesson in reversed(sitting.lessons)]
        return taught + model_choices(self.models)

    def on_cancel(self, sitting: Sitting) -> Updates:
        sitting.cancel()
        return gr.update(interactive=False)

    def _go_to(self, name: str, in_view: InView) -> Updates:
        chosen = self.segment.on_model_input(name, in_view)
        nothing = "__type__" in chosen  # there is no picture
        return ({} if nothing else chosen) | {self.segment.model: name}

    # -------------------------------------------------------------------------- taking home

    def write(self, kind: str, given: Any, sitting: Sitting, model: str) -> str:
        """Writes what was asked for; returns its path. model: Whose checkpoint, if it is taught."""
        folder = self.folders.new()
        if kind == "strokes":
            return str(pack_strokes(read_painted(given, sitting), folder))
        if (lesson := sitting.lesson_at(model)) is None:
            raise ConfigError(NOTHING_TAUGHT)
        return str(pack_checkpoint(lesson, folder))


def lesson_of(done: Done, title: str, base: str, painted: AllPainted) -> Lesson:
    judgement = Judgement(**done.outcome["judgement"])
    pictures = tuple((picture.name, picture.count) for picture in painted.pictures)
    return Lesson(
        done.name, title, base, judgement.words, judgement.is_worse, pictures, done.outcome
    )
