"""HTML for tables, lists and sentences of the tabs, and how it looks.

A `gr.HTML` that shows any of it has `STYLE` as its `css_template`.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = (Path(__file__).parent / "html_parts.css").read_text(encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    """An HTML table; everything in it is text. `caption` is for screen readers."""
    top = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>' if text else ""


def lines(texts: Sequence[str], shown: int = 100) -> str:
    """A list, cut where it would be endless, which it says."""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in texts[:shown])
    more = f"<li>and {len(texts) - shown} more, in the zip</li>" if len(texts) > shown else ""
    return f'<ul class="lines">{items}{more}</ul>' if texts else ""


def bar(share: float, label: str) -> str:
    """How much is done, 0 to 1. label: What of, for screen readers."""
    percent = 100 * share
    return (
        f'<div class="bar" role="progressbar" aria-label="{html.escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent:.0f}">'
        f'<i style="width:{percent:.1f}%"></i></div>'
    )


def alert(sentence: str) -> str:
    """What went wrong, for the eye and for screen readers; nothing if nothing did."""
    return f'<p role="alert" class="alert">{html.escape(sentence)}</p>' if sentence else ""


def count(number: int) -> str:
    """12345 as "12 345"."""
    return f"{number:,}".replace(",", " ")
