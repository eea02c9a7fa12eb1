"""What the chosen checkpoint is, in a few lines: classes, data, scores, licence, speed."""

import html
from typing import Any

from unet_hf import UNet

from ..server.model_facts import facts_of_model

STYLE = """
.model { font-size: 13px; line-height: 1.45; padding: 2px; }
.model .chips { display: flex; flex-wrap: wrap; gap: 4px 12px; margin: 0 0 6px; }
.model .chips i { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin-right: 5px; }
.model dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 10px; margin: 0; }
.model dt { color: var(--body-text-color-subdued); }
.model dd { margin: 0; overflow-wrap: anywhere; }
"""


def panel(name: str, model: UNet) -> str:
    """HTML for people who choose a checkpoint; says only what its own files say."""
    facts = facts_of_model(model)
    lines = [f'<div class="chips">{_chips(model)}</div>']
    for title, text in (
        ("Takes", f"{'/'.join(facts['channels'])} images of any size"),
        ("Trained on", _data(facts.get("data"))),
        ("Scores", _scores(facts.get("scores"))),
        ("Licence", facts["licence"]),
        ("Speed", _speed(facts.get("speed"))),
        ("Commit", facts.get("commit", "")[:12]),
    ):
        if text:
            lines.append(f"<dt>{title}</dt><dd>{html.escape(text)}</dd>")
    body = lines[0] + "<dl>" + "".join(lines[1:]) + "</dl>"
    return f'<section class="model" aria-label="About {html.escape(name)}">{body}</section>'


def _chips(model: UNet) -> str:
    pairs = zip(model.id2label.values(), model.config["colors"], strict=True)
    return "".join(
        f'<span><i style="background:{color}"></i>{html.escape(name)}</span>'
        for name, color in pairs
    )


def _data(data: dict[str, Any] | None) -> str:
    if not data:
        return ""
    images = f", {data['images']} images" if data.get("images") else ""
    licence = f" (licence: {data['license']})" if data.get("license") else ""
    return f"{data['name']}{images}{licence}"


def _scores(scores: dict[str, Any] | None) -> str:
    if not scores:
        return "not measured"
    figures = [
        f"{name} {scores[name]:.4f}" for name in ("V_rand", "V_info", "mean IoU") if name in scores
    ]
    return f"{', '.join(figures)} on {scores['images']} images of {scores['of']}"


def _speed(speed: dict[str, Any] | None) -> str:
    if not speed:
        return ""
    width, height = speed["image"]
    return (
        f"{speed['milliseconds']['median']:.0f} ms for {width} × {height} px on {speed['threads']} "
        f"threads of {speed['processor']}"
    )
