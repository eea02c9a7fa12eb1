"""What the loopback Hub makes of a README: its metadata, and what is wrong with it.

The rules are the Hub's own, of https://huggingface.co/docs/hub/model-cards and
https://huggingface.co/docs/hub/spaces-config-reference, as far as these repositories meet them.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

LICENSES = re.findall(
    r"\S+",
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bsd bsd-2-clause "
    "bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
    "cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0 cdla-permissive-2.0 "
    "wtfpl epl-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc "
    "mpl-2.0 odc-by odbl pddl zlib unlicense artistic-2.0 ms-pl afl-3.0 bsl-1.0 unknown "
    "other",
)
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
MAX_DESCRIPTION = 60  # characters of a Space's short_description


def block(content: str) -> str | None:
    """The YAML between the dashes that open a card, None if there is none."""
    found = re.match(r"\s*---[^\S\r\n]*\r?\n(.*?)^---\s*?$", content, re.DOTALL | re.MULTILINE)
    return found and found[1]


def front_matter(content: str) -> dict[str, Any]:
    """A card's metadata; empty if it has none, or none that can be read."""
    try:
        data = yaml.safe_load(block(content) or "")
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}


def listed(value: Any) -> list[Any]:
    """One or several, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def tags_of(card: dict[str, Any]) -> list[str]:
    """The tags the Hub searches by: the card's own and those of its other keys."""
    tags = [card.get("library_name"), card.get("pipeline_tag"), *listed(card.get("tags"))]
    for key, prefix in (
        ("license", "license"),
        ("datasets", "dataset"),
        ("base_model", "base_model"),
    ):
        tags += [f"{prefix}:{value}" for value in listed(card.get(key))]
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str)))


def card_problems(content: str, kind: str) -> tuple[list[str], list[str]]:
    """Errors and warnings of a README of a "model", "dataset" or "space"."""
    text = block(content)
    if text is None and kind == "space":
        return ["Missing configuration in README"], []
    if not (text or "").strip():
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        card = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"YAML does not parse: {error}"], []
    if not isinstance(card, dict):
        return ["The metadata is not a mapping"], []
    errors = list(common_problems(card))
    errors += space_problems(card) if kind == "space" else index_problems(card)
    return errors, []


def common_problems(card: dict[str, Any]) -> Iterator[str]:
    """Of the keys that all kinds of repositories have."""
    for value in listed(card.get("license")):
        if value not in LICENSES:
            yield f'"license" must be one of the Hub\'s licence ids, or "other", not {value!r}'
    name = card.get("license_name")
    if name is not None and not (isinstance(name, str) and re.fullmatch(r"[a-z0-9.-]+", name)):
        yield f'"license_name" fails to match [a-z0-9.-]+: {name!r}'
    for key in ("datasets", "base_model", "models"):
        for index, value in enumerate(listed(card.get(key))):
            if not (isinstance(value, str) and ID.fullmatch(value)):
                yield f'"{key}[{index}]" with value {value!r} is not valid. Use an id of the Hub'
    for key in ("tags", "metrics", "preload_from_hub", "hf_oauth_scopes"):
        values = card.get(key)
        if values is not None and not (
            isinstance(values, list) and all(isinstance(value, str) for value in values)
        ):
            yield f'"{key}" must be an array of strings'
    for key in ("library_name", "pipeline_tag", "thumbnail"):
        if not isinstance(card.get(key, ""), str):
            yield f'"{key}" must be a string'
    for value in listed(card.get("language")):
        if not (isinstance(value, str) and re.fullmatch(r"[a-z]{2,3}|code|multilingual", value)):
            yield f'"language" must only contain ISO 639 codes, not {value!r}'


def index_problems(card: dict[str, Any]) -> Iterator[str]:
    """Of the measured results, `model-index`."""
    models = card.get("model-index", [])
    if not isinstance(models, list):
        yield '"model-index" must be an array'
        return
    for m, model in enumerate(models):
        if not (isinstance(model, dict) and isinstance(model.get("name"), str)):
            yield f'"model-index[{m}].name" is required'
            continue
        if not isinstance(model.get("results"), list):
            yield f'"model-index[{m}].results" must be an array'
            continue
        for r, result in enumerate(model["results"]):
            at = f"model-index[{m}].results[{r}]"
            for key, parts in (("task", ("type",)), ("dataset", ("name", "type"))):
                for part in parts:
                    if not isinstance((result.get(key) or {}).get(part), str):
                        yield f'"{at}.{key}.{part}" is required'
            if not (isinstance(result.get("metrics"), list) and result["metrics"]):
                yield f'"{at}.metrics" must be an array'
                continue
            for index, metric in enumerate(result["metrics"]):
                if not isinstance(metric.get("type"), str):
                    yield f'"{at}.metrics[{index}].type" is required'
                value = metric.get("value")
                if value is None or (isinstance(value, float) and not math.isfinite(value)):
                    yield f'"{at}.metrics[{index}].value" is required, and a finite number'


def space_problems(card: dict[str, Any]) -> Iterator[str]:
    """Of a Space's configuration."""
    if card.get("sdk") not in SDKS:
        yield f'"sdk" must be one of [{", ".join(SDKS)}]'
    for key in ("title", "emoji", "app_file"):
        if key in card and not (isinstance(card[key], str) and card[key].strip()):
            yield f'"{key}" must be a string'
    for key in ("colorFrom", "colorTo"):
        if key in card and card[key] not in COLORS:
            yield f'"{key}" must be one of [{", ".join(COLORS)}]'
    version = card.get("sdk_version", "0.0.0")
    if not (isinstance(version, str) and re.fullmatch(r"\d+\.\d+\.\d+([-.]?\w+)*", version)):
        yield f'"sdk_version" must be a complete version in quotes, not {version!r}'
    # Without quotes 3.10 is the number 3.1.
    python = str(card.get("python_version", "3.10"))
    if not re.fullmatch(r"3\.([89]|1\d)(\.\d+)?", python):
        yield f'"python_version" must be a version of Python in quotes, not {python}'
    for key in ("pinned", "fullWidth", "hf_oauth", "disable_embedding"):
        if not isinstance(card.get(key, False), bool):
            yield f'"{key}" must be a boolean'
    description = card.get("short_description", "")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION:
        yield f'"short_description" must be at most {MAX_DESCRIPTION} characters long'
