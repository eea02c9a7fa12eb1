"""What the panel says, as HTML."""

import html
from collections.abc import Sequence
from pathlib import Path

from train.teaching.teach import MEASURED
from unet_hf.batch.progress import duration

from ..server.predictions import Place
from .job import SECONDS, Status
from .sitting import Lesson
from .strokes_in import AllPainted

WIDTH, HEIGHT = 260, 56  # of the curve, px
WEB = Path(__file__).parent / "web"
FEW_STEPS = 10  # fewer teach hardly anything
STYLE = (WEB / "teaching.css").read_text(encoding="utf-8")
# For an event of the viewer: its list hears of the picture that is shown; see web/teaching.js.
TELL_SHOWN = """(shown) => {
  document.dispatchEvent(new CustomEvent("teaching:shown", { detail: shown?.picture }));
}"""
INTRO = (
    "Paint a few strokes on the picture: of each class, where it is right and above all where it "
    "is wrong. <strong>Teach</strong> then trains the checkpoint on the strokes of all your "
    f"images, for {duration(SECONDS)} at most. Nothing of it is seen by others."
)


def progress_html(status: Status) -> str:
    """How far a teaching is, with the curve of its loss."""
    if status.ahead:
        others = "one visitor" if status.ahead == 1 else f"{status.ahead} visitors"
        return _box(
            f"<div>{others} first: about {duration(status.ahead * SECONDS)}. "
            "Go on painting meanwhile.</div>"
        )
    progress = status.progress
    if progress is None or not progress.steps:
        return _box("<progress></progress><div>Preparing …</div>")
    done, steps = len(progress.losses), progress.steps
    left = None
    if done > MEASURED:  # the first ones are no measure, and there are no more than fit
        left = min(status.seconds * (steps - done) / done, max(SECONDS - status.seconds, 1))
    words = f"Step {done} of {steps}"
    if left is not None and done < steps:
        words += f", about {duration(left)} left"
    elif done == steps:
        words = "Looking at what was learned …"
    bar = f'<progress value="{done}" max="{steps}" aria-label="Teaching"></progress>'
    return _box(f"{bar}<div>{words}</div>{curve(progress.losses, steps)}")


def curve(losses: Sequence[float], steps: int) -> str:
    """The loss by steps, smoothed, as an SVG; nothing before the second step."""
    if len(losses) < 2:
        return ""
    smooth, now = [], losses[0]
    for loss in losses:
        now = 0.8 * now + 0.2 * loss
        smooth.append(now)
    top = max(smooth) or 1.0
    points = [
        f"{WIDTH * place / max(steps - 1, 1):.1f} {HEIGHT - 2 - (HEIGHT - 4) * value / top:.1f}"
        for place, value in enumerate(smooth)
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="The loss falls from {smooth[0]:.2f} to {smooth[-1]:.2f}">'
        f'<path d="M{" L".join(points)}"/></svg>'
    )


def lesson_html(lesson: Lesson, absent: Sequence[str]) -> str:
    """What a teaching has given."""
    words = html.escape(lesson.words)
    told = f"<div><strong>{html.escape(lesson.title)}</strong>: {words}</div>"
    if lesson.is_worse:
        told = (
            f'<div class="worse">It became worse on the strokes that were kept aside, so the '
            f"checkpoint in view stays. {words} Paint more where it is wrong, and teach again."
            "</div>"
        )
    steps, seconds = lesson.outcome["steps"], lesson.outcome["seconds"]
    made = f"{steps} {'step' if steps == 1 else 'steps'} in {duration(seconds)}."
    if steps < FEW_STEPS and seconds > SECONDS / 2:
        made += " That is very few: if the computer was busy, teach again when it is not."
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{strokes(count)}</td></tr>"
        for name, count in lesson.pictures
    )
    return _box(
        f"{told}<div>{made}</div>"
        f"<table><caption hidden>Images it was taught on</caption>{rows}</table>{_left(absent)}"
    )


def strokes(count: int) -> str:
    return "1 stroke" if count == 1 else f"{count} strokes"


def _left(absent: Sequence[str]) -> str:
    if not absent:
        return ""
    names = html.escape(", ".join(absent))
    return f"<div>Painted earlier, but not open here: {names}. Open them again to add them.</div>"


def painted_html(painted: AllPainted, in_view: tuple[str | None, Place] | None = None) -> str:
    """What there is to learn from. in_view: File and place of the picture in view."""
    rows = ""
    for picture in painted.pictures:
        current = ' aria-current="true"' if (picture.path, picture.place) == in_view else ""
        rows += (
            f'<tr data-picture="{html.escape(picture.key)}"{current}>'
            f"<td>{html.escape(picture.name)}</td><td>{strokes(picture.count)}</td></tr>"
        )
    return _box(f"<table>{rows}</table>{_left(painted.absent)}")


def _box(inner: str) -> str:
    return f'<div class="teaching">{inner}</div>'
