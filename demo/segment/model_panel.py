"""What the chosen checkpoint is, in a few lines: data, scores, licence, speed."""

import html
from typing import Any

from unet_hf import UNet

from ..server.checkpoints.model_facts import facts_of_model
from ..server.checkpoints.taught import is_taught

# What people call the data that the shipped checkpoints are trained on.
DATA_SETS = {
    "data/nuclei": "2018 Data Science Bowl",
    "data/isbi2012": "ISBI 2012 challenge",
}
STYLE = """
.model { font-size: 13px; line-height: 1.45; }
.model summary { cursor: pointer; color: var(--hush); width: fit-content; }
.model summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.model dl { display: grid; gap: 0; margin: 6px 0 0; }
.model dt { color: var(--hush); }
.model dd { margin: 0 0 6px; overflow-wrap: anywhere; }
"""


def panel(name: str, model: UNet, precision: str = "auto") -> str:
    """HTML for people who choose a checkpoint; says only what its own files say.

    precision: What the page computes in, see `fast.offered`: the line for Python does the same.
    """
    facts = facts_of_model(model)
    lines = []
    for title, text in (
        ("Takes", f"{'/'.join(facts['channels'])} images of any size"),
        ("Trained on", _data(facts.get("data"))),
        ("Scores", _scores(facts.get("scores"))),
        ("Licence", facts["licence"]),
        ("Speed, as measured once", _speed(facts.get("speed"))),
        ("Commit", facts.get("commit", "")[:12]),
        ("In Python", _in_python(name, precision)),
    ):
        if text:
            lines.append(f"<dt>{title}</dt><dd>{html.escape(text)}</dd>")
    about = html.escape(model.title or name)
    body = f"<summary>About {about}</summary><dl>{''.join(lines)}</dl>"
    return f'<details class="model">{body}</details>'


def _in_python(name: str, precision: str) -> str:
    if is_taught(name):
        return "Take its checkpoint home under Teach: unpacked, UNet.from_pretrained loads it."
    computed = "" if precision == "auto" else f', precision="{precision}"'
    return f'UNet.from_pretrained("{name}").segment("image.tif"{computed}).save("out")'


def _data(data: dict[str, Any] | None) -> str:
    if not data:
        return ""
    images = f", {data['images']} images" if data.get("images") else ""
    licence = f" (licence: {data['license']})" if data.get("license") else ""
    return f"{DATA_SETS.get(data['name'], data['name'])}{images}{licence}"


def _scores(scores: dict[str, Any] | None) -> str:
    if not scores:
        return "not measured"
    figures = [
        f"{name} {scores[name]:.4f}" for name in ("V_rand", "V_info", "mean IoU") if name in scores
    ]
    name, _, rest = scores["of"].partition(" ")
    data = f"{DATA_SETS.get(name, name)} {rest}".rstrip()
    return f"{', '.join(figures)} on {scores['images']} images of {data}"


def _speed(speed: dict[str, Any] | None) -> str:
    if not speed:
        return ""
    width, height = speed["image"]
    return (
        f"{speed['milliseconds']['median']:.0f} ms for {width} × {height} px on {speed['threads']} "
        f"threads of {speed['processor']}"
    )
