"""How tables, lists and bars of the tabs look: the style of their `gr.HTML`, light and dark."""

import html
from collections.abc import Iterable, Sequence

STYLE = """
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 0 0 10px; }
table, thead, tbody, tr { border: 0 !important; background: none !important; }
th, td {
  padding: 5px 10px; text-align: left; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important;
}
td { font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--body-text-color-subdued); white-space: nowrap; }
/* A wide table scrolls by itself: it asks for no width. */
.scroll { overflow: auto; max-height: 340px; width: 0; min-width: 100%; }
.title { font-size: 15px; font-weight: 650; margin: 0 0 6px; }
.note { font-size: 13px; color: var(--body-text-color-subdued); margin: 6px 0 0; }
.lines { margin: 8px 0 0; padding: 0 0 0 18px; font-size: 14px; overflow-wrap: anywhere; }
.regions { list-style: none; margin: 0; padding: 0; max-height: 300px; overflow: auto; }
.regions button {
  display: grid; grid-template-columns: 78px 1fr; width: 100%; text-align: left; cursor: pointer;
  padding: 6px 10px !important; border-radius: 6px; font-size: 14px; font-weight: 400 !important;
  font-variant-numeric: tabular-nums; color: inherit; background: none;
}
.regions button:hover, .regions button:focus-visible, .regions button[aria-current] {
  background: color-mix(in srgb, #0ea5e9 14%, transparent);
}
.regions b { font-weight: 600; }
.bar {
  height: 8px; border-radius: 4px; overflow: hidden; margin: 8px 0;
  background: var(--border-color-primary);
}
.bar i { display: block; height: 100%; background: #0ea5e9; transition: width .2s; }
.state { margin: 0 0 10px; font-variant-numeric: tabular-nums; }
"""


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


def alert(sentence: str) -> str:
    """What went wrong, for the eye and for screen readers; nothing if nothing did."""
    return f'<p role="alert" class="alert">{html.escape(sentence)}</p>' if sentence else ""


def count(number: int) -> str:
    """12345 as "12 345"."""
    return f"{number:,}".replace(",", " ")
