"""The scores of objects in an evaluation as rows of a table, for the card and the terminal."""

from typing import Any

# The scores of a summary in `evaluation.json`, and their names in a table.
COLUMNS = {
    "ap50": "AP@0.5",
    "mean_ap": "AP@0.5:0.95",
    "f1": "F1@0.5",
    "pq": "PQ",
    "aji": "AJI",
    "seg": "SEG",
    "count_error": "count error",
}


def object_rows(objects: dict[str, Any], all_spreads: bool = True) -> list[list[str]]:
    """Makes a row for all images, one for each kind, and one for each other method beside.

    Each has a name, the number of images and the cells of `COLUMNS`. AP@0.5 has its interval; in
    the first row all scores have it, unless `all_spreads` is false.
    """
    own = objects["recipe"]["method"]
    beside = {
        f"all, by {method}": summary
        for method, summary in objects["beside"].items()
        if method != own
    }
    rows = []
    for name, summary in ({"all": objects["all"]} | objects["groups"] | beside).items():
        spread = all_spreads and summary is objects["all"]
        cells = [score_cell(summary, score, spread or score == "ap50") for score in COLUMNS]
        rows.append([name, str(summary["images"]), *cells])
    return rows


def score_cell(summary: dict[str, Any], name: str, spread: bool = False) -> str:
    """Formats a score, "0.912 [0.895 .. 0.931]" or "6.4 % [3.1 .. 9.0]"; "absent" for None."""
    value, interval = summary["scores"][name], summary["intervals"][name]
    if value is None:
        return "absent"
    factor, digits, unit = (100, 1, " %") if name == "count_error" else (1, 3, "")

    def number(value: float) -> str:
        return f"{factor * value:.{digits}f}"

    ends = " .. ".join(map(number, interval)) if spread and interval else ""
    return number(value) + unit + (f" [{ends}]" if ends else "")


def recipe_words(recipe: dict[str, Any]) -> str:
    """Says how objects were made, e.g. "watershed, 20 px or more"."""
    seed = recipe.get("seed")
    words = [recipe["method"] if seed is None else f"{recipe['method']} from {seed:g}"]
    if recipe["min_size"]:
        words.append(f"{recipe['min_size']:,} px or more")
    return ", ".join(words)


def count_words(summary: dict[str, Any]) -> str:
    """Says how many there are: "1,619 objects instead of 1,729, off by 5.1 an image"."""
    off = summary["scores"]["count_off"]
    return (
        f"{summary['proposed']:,} objects instead of {summary['true']:,}, off by {off:.1f} an image"
    )
