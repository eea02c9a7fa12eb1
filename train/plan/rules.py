"""The rules of the plan: each decides one option from facts, and says why in one sentence.

A rule is a function (facts, chosen) -> (value, reason). `chosen` holds the options that were given
and those that were decided before; `RULES` is the order. Nothing is random and nothing is searched.
"""

from collections.abc import Callable, Mapping
from typing import Any

from unet_hf.network.tiling import receptive_reach, round_up

from ..config import USUAL
from .facts import DataFacts

Decided = tuple[Any, str]
Rule = Callable[[DataFacts, Mapping[str, Any]], Decided]

USUAL_CROP = USUAL["resolution"]
LARGEST_CROP = 512  # px; with a batch of one, batch norm has a single image
CONTEXT = 4  # a crop shows at least so many typical objects side by side
LARGE_CONTEXT = 2  # and so many large ones
CROP_STEP = 64  # px; crops above the usual size are multiples of it
PIXELS_A_STEP = USUAL["train_batch_size"] * USUAL_CROP**2
BATCHES = (2, 8)  # fewest and most crops a step; more than 8 were not better in equal time
LEAST_DEPTH, LARGEST_DEPTH = USUAL["depth"], 6
LEAST_BOTTLENECK = 6  # px; smallest side of a crop after the last pooling


def depth(facts: DataFacts, chosen: Mapping[str, Any]) -> Decided:
    """Number of poolings: what a pixel sees covers a large object; a crop stays large enough."""
    side = chosen.get("resolution") or min(facts.sides[1], LARGEST_CROP)
    fits = max((d for d in range(1, LARGEST_DEPTH + 1) if side / 2**d >= LEAST_BOTTLENECK),
               default=1)  # fmt: skip
    if fits < LEAST_DEPTH:
        return fits, f"after {fits} poolings {side} px are {side // 2**fits}"
    if facts.objects is None:
        return LEAST_DEPTH, "the usual; there are no objects to go by"
    large = facts.objects.large
    needed = next(
        (d for d in range(LEAST_DEPTH, LARGEST_DEPTH) if field_of_view(d) >= large), LARGEST_DEPTH
    )
    value = min(needed, fits)
    seen = f"a pixel sees {field_of_view(value)} px around it, large objects are {large:.0f} px"
    if value < needed:
        seen += f", and more poolings would leave less than {LEAST_BOTTLENECK} px of a crop"
    return value, seen


def field_of_view(depth: int) -> int:
    """Side of the square that a pixel of the result depends on, px."""
    return 2 * receptive_reach(depth, "transposed") + 1


def base_channels(facts: DataFacts, chosen: Mapping[str, Any]) -> Decided:
    """Channels at full resolution: the width that was measured to be worth its time on a CPU."""
    return USUAL["base_channels"], "the usual; wider ones take more time for each step"


def resolution(facts: DataFacts, chosen: Mapping[str, Any]) -> Decided:
    """Side of the crops: the images' if they are small; else some objects side by side."""
    multiple = 2 ** chosen.get("depth", USUAL["depth"])
    wanted, why = USUAL_CROP, "the usual"
    if (objects := facts.objects) is not None:
        typical, large = CONTEXT * objects.median, LARGE_CONTEXT * objects.large
        asked = round_up(int(max(typical, large)), CROP_STEP)
        wanted = min(max(USUAL_CROP, asked), LARGEST_CROP)
        what = f"typical objects are {objects.median:.0f} px"
        if large > typical:
            what = f"large objects are {objects.large:.0f} px"
        why = f"{what}, which the usual size shows with their surroundings"
        if wanted > USUAL_CROP:
            why = f"{what}, and a crop shows their surroundings"
        if asked > LARGEST_CROP:
            why = f"{what}, and larger crops would leave too few in a batch"
    side = facts.sides[1]
    if side <= wanted:
        return round_up(side, multiple), f"images are {sizes(facts)} px"
    return round_up(wanted, multiple), why


def sizes(facts: DataFacts) -> str:
    """Says how large the images are: "120 x 120", "100 to 140"."""
    low, _, high = facts.sides
    return f"{facts.shape[0]} x {facts.shape[1]}" if low == high else f"{low} to {high}"


def train_batch_size(facts: DataFacts, chosen: Mapping[str, Any]) -> Decided:
    """Crops a step: about as many pixels as usual."""
    fewest, most = BATCHES
    side = chosen["resolution"]
    value = min(max(round(PIXELS_A_STEP / side**2), fewest), most)
    reason = f"about the pixels of {USUAL['train_batch_size']} crops of {USUAL_CROP} px"
    if value == fewest and PIXELS_A_STEP / side**2 < fewest:
        reason = "batch norm needs more than one crop"
    if value == most and PIXELS_A_STEP / side**2 > most:
        reason = "more of these small crops would leave fewer steps in the same time"
    return value, reason


RULES: dict[str, Rule] = {
    "depth": depth,
    "base_channels": base_channels,
    "resolution": resolution,
    "train_batch_size": train_batch_size,
}
