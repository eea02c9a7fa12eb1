"""The rules of the plan: each decides one option from facts, and says why in one sentence.

A rule is a function (facts, chosen) -> (value, reason). `chosen` holds the options that were given
and those that were decided before; the order is that of `RULES`. Nothing is random, and nothing is
searched. The numbers below can be changed one by one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from unet_hf.data.open import STROKES
from unet_hf.network.tiling import receptive_reach, round_up
from unet_hf.words import number_of

from ..duration import read_duration
from ..presets import NETWORK_OPTIONS, NEW, PRESETS, USUAL
from .facts import FEW, DataFacts

Chosen = Mapping[str, Any]
Decided = tuple[Any, str]
Rule = Callable[[DataFacts, Chosen], Decided]

AS_USUAL = "as usual"  # reason of a value that nothing in the data speaks against

USUAL_CROP = USUAL["resolution"]
LARGEST_CROP = 512  # px
CONTEXT = 4  # a crop shows so many typical objects side by side
LARGE_CONTEXT = 2  # and so many large ones
CROP_STEP = 64  # px; crops above the usual size are multiples of it
PIXELS_A_STEP = USUAL["train_batch_size"] * USUAL_CROP**2
BATCHES = (2, 8)  # fewest and most crops a step
LARGEST_DEPTH = 6
LEAST_BOTTLENECK = 6  # px; smallest side of a crop after the last pooling
SELDOM = 0.25  # share of the crops that show a class; below it, many batches do not
DRAWN_BY_CLASS = 0.33  # nnU-Net's third
SCALES = (1.25, 2.0)  # least and greatest zoom
TINTS_VARY = 0.02  # std of a channel's share of the brightness
BOTH_WAYS = 0.1  # share of the images with lighter, and with darker objects
NEAR = 0.05  # share of the objects with another nearby; fewer lie apart
NARROW = 10  # px; objects with a smaller width have narrow gaps
START = "unet-nuclei"  # has seen more kinds of images than the other shipped checkpoints
SETTLED = 0.6  # share of the steps
FEW_IMAGES = 10  # training images
FEW_CROPS = 4000  # of a whole training
LITTLE_TIME = 300  # s


def depth(facts: DataFacts, chosen: Chosen) -> Decided:
    """Number of poolings: what a pixel sees covers a large object; a crop stays large enough."""
    side = chosen.get("resolution") or min(facts.sides[1], LARGEST_CROP)
    fits = [deep for deep in range(1, LARGEST_DEPTH + 1) if side >= LEAST_BOTTLENECK * 2**deep]
    deepest, usual = max(fits, default=1), USUAL["depth"]
    if deepest < usual:
        return deepest, f"one more pooling would leave {side // 2 ** (deepest + 1)} of {side} px"
    if facts.objects is None or field_of_view(usual) >= facts.objects.large:
        return usual, AS_USUAL
    large = facts.objects.large
    needed = [deep for deep in range(usual, deepest) if field_of_view(deep) >= large]
    value = min(needed, default=deepest)
    return value, f"a pixel then sees {field_of_view(value)} px, and large objects are {large:.0f}"


def field_of_view(depth: int) -> int:
    """Side of the square that a pixel of the result depends on, px."""
    return 2 * receptive_reach(depth, "transposed") + 1


def base_channels(facts: DataFacts, chosen: Chosen) -> Decided:
    """Channels at full resolution: wider networks take more time for each step."""
    return USUAL["base_channels"], AS_USUAL


def max_channels(facts: DataFacts, chosen: Chosen) -> Decided:
    """Most channels of a level: those at the usual depth, so that deep networks stay small."""
    if chosen["depth"] <= USUAL["depth"]:
        return None, AS_USUAL
    most = chosen["base_channels"] * 2 ** USUAL["depth"]
    return most, f"deeper levels are no wider than level {USUAL['depth']}"


def resolution(facts: DataFacts, chosen: Chosen) -> Decided:
    """Side of the crops: the images' if they are small; else some objects side by side."""
    if chosen.get("padding") == "valid":
        return USUAL_CROP, "valid convolutions take their context from the crop"
    wanted, reason = wanted_crop(facts)
    multiple, side = 2 ** chosen.get("depth", USUAL["depth"]), facts.sides[1]  # none if loaded
    if side < wanted:
        return round_up(side, multiple), f"images are {sizes(facts)} px"
    return round_up(wanted, multiple), reason


def wanted_crop(facts: DataFacts) -> Decided:
    """Side of the crops, if the images were as large as one likes."""
    if (objects := facts.objects) is None:
        return USUAL_CROP, AS_USUAL
    typical, large = CONTEXT * objects.median, LARGE_CONTEXT * objects.large
    wanted = round_up(int(max(typical, large)), CROP_STEP)
    if wanted <= USUAL_CROP:
        return USUAL_CROP, AS_USUAL
    what = f"typical objects are {objects.median:.0f} px"
    if large > typical:
        what = f"large objects are {objects.large:.0f} px"
    if wanted > LARGEST_CROP:
        return LARGEST_CROP, f"{what}; still larger crops would leave too few a step"
    return wanted, f"{what}, and a crop shows what is around them"


def sizes(facts: DataFacts) -> str:
    """Says how large the images are: "120 x 120", "100 to 140"."""
    low, _, high = facts.sides
    return f"{facts.shape[0]} x {facts.shape[1]}" if low == high else f"{low} to {high}"


def train_batch_size(facts: DataFacts, chosen: Chosen) -> Decided:
    """Crops a step: about as many pixels as usual."""
    side, (fewest, most) = chosen["resolution"], BATCHES
    same = round(PIXELS_A_STEP / side**2)
    if same == USUAL["train_batch_size"]:
        return same, AS_USUAL
    if same > most:
        return most, "more of these small crops a step would leave time for fewer steps"
    if same < fewest:
        return fewest, "batch norm needs more than one crop"
    return same, f"about as many pixels as {USUAL['train_batch_size']} crops of {USUAL_CROP} px"


def pretrained_model_name_or_path(facts: DataFacts, chosen: Chosen) -> Decided:
    """Weights to begin with: those of other images, where a new network learns too little."""
    why = why_not_anew(facts, chosen)
    if why is None or facts.channels not in (1, 3) or not fits_start(chosen):
        return NEW, AS_USUAL
    if facts.known:
        seen = number_of(facts.known, "image")
        return NEW, f"{START} was trained on {seen} of these, so scores would flatter it"
    return START, f"a new network (none) mostly learns less {why}"


def new_head(facts: DataFacts, chosen: Chosen) -> Decided:
    """Whether a planned start gets a new last layer: always, as it tells other classes apart."""
    if chosen["pretrained_model_name_or_path"] == NEW:
        return None, AS_USUAL
    return True, "its last layer is of other classes"


def why_not_anew(facts: DataFacts, chosen: Chosen) -> str | None:
    """Says where a new network learns less: from few images or several kinds, in little time."""
    if facts.total is not None and facts.total <= FEW_IMAGES:
        return f"from {number_of(facts.total, 'image')}"
    steps, budget = chosen.get("max_train_steps"), chosen.get("time_budget")
    if steps and steps * chosen["train_batch_size"] <= FEW_CROPS:
        return f"in {number_of(steps, 'step')}"
    if budget and read_duration(budget) <= LITTLE_TIME:
        return f"in {budget}"
    if both_ways(facts):
        return "from images of several kinds, with light objects and with dark ones"
    return None


def fits_start(chosen: Chosen) -> bool:
    """Is the network that was chosen the one that `START` is?"""
    own = PRESETS["modern"] | USUAL
    return all(chosen.get(name, own[name]) == own[name] for name in NETWORK_OPTIONS)


def class_sampling(facts: DataFacts, chosen: Chosen, shown: Mapping[str, float]) -> Decided:
    """Share of the crops that are drawn by class: where random crops seldom show some class, or
    any label at all.

    shown: Share of random crops that show a class, by its name.
    """
    if facts.labelled < STROKES:
        return 1.0, f"{facts.labelled:.1%} of the pixels are labelled; every crop shows some"
    seldom = {name: share for name, share in shown.items() if share < SELDOM}
    if not seldom:
        return 0.0, AS_USUAL
    name, share = min(seldom.items(), key=lambda item: item[1])
    more = f", and {len(seldom) - 1} more seldom" if len(seldom) > 1 else ""
    return DRAWN_BY_CLASS, f"random crops show {name} in {share:.1%}{more}"


def rotation(facts: DataFacts, chosen: Chosen) -> Decided:
    """Rotation: by any angle, unless a class is nearly always above or below."""
    if facts.oriented is None:
        return USUAL["rotation"], AS_USUAL
    return (
        15.0,
        f"{facts.oriented} lies on one side in nearly all images: there is an up and a down",
    )


def scale_range(facts: DataFacts, chosen: Chosen) -> Decided:
    """Zoom: by half of the range of sizes of numbered objects, on a logarithmic scale."""
    if (objects := facts.objects) is None or not objects.numbered:
        return USUAL["scale_range"], AS_USUAL
    spread = objects.large / max(objects.small, 1.0)
    value = min(max(round(20 * spread**0.25) / 20, SCALES[0]), SCALES[1])
    if value == USUAL["scale_range"]:
        return value, AS_USUAL
    return value, f"most objects are from {objects.small:.0f} to {objects.large:.0f} px"


def elastic_std(facts: DataFacts, chosen: Chosen) -> Decided:
    """Elastic deformation: less px in small crops, whose displacements lie closer together."""
    side = chosen["resolution"]
    if side >= USUAL_CROP:
        return USUAL["elastic_std"], AS_USUAL
    return round(
        USUAL["elastic_std"] * side / USUAL_CROP, 1
    ), f"in proportion to crops of {side} px"


def channel_mixing(facts: DataFacts, chosen: Chosen) -> Decided:
    """Mixing of channels: where colours vary from image to image, as stains do.

    Not with several classes: of brown and of blue nuclei, one would become the other.
    """
    if facts.gray == facts.images:
        return 0.0, "images are gray stored as RGB: no colours to mix, nothing else changes"
    if facts.channels == 3 and facts.colored >= FEW and facts.tint_std > TINTS_VARY:
        if len(facts.classes) > 2:
            return 0.0, "colours vary, but may be what tells these classes apart"
        return 0.2, f"colours vary among the {facts.colored} images that have any"
    return 0.0, AS_USUAL


def inversion(facts: DataFacts, chosen: Chosen) -> Decided:
    """Inversion: where some images have lighter objects, and some darker ones."""
    if not both_ways(facts):
        return 0.0, AS_USUAL
    both = f"objects are lighter than their surroundings in {number_of(facts.light, 'image')}"
    return 0.05, f"{both}, and darker in {facts.dark}"


def both_ways(facts: DataFacts) -> bool:
    """Are objects lighter than their surroundings in some images, and darker in others?"""
    return min(facts.light, facts.dark) >= max(BOTH_WAYS * facts.images, 2)


def loss(facts: DataFacts, chosen: Chosen) -> Decided:
    """What is minimised."""
    return USUAL["loss"], AS_USUAL


def class_balance(facts: DataFacts, chosen: Chosen) -> Decided:
    """How rare classes weigh more."""
    return USUAL["class_balance"], AS_USUAL


def border_weight(facts: DataFacts, chosen: Chosen) -> Decided:
    """Weight of the gaps between objects: none where there are no objects, or no gaps."""
    objects = facts.objects
    if facts.labelled < STROKES and not (objects and objects.numbered):
        return 0.0, "strokes are not whole objects"
    if objects is None:
        return 0.0, "there are no objects"
    if len(facts.classes) > 2 and not objects.numbered:
        return 0.0, "nothing tells the objects of these classes apart"
    if max(objects.touching, objects.close) < NEAR:
        return 0.0, "objects lie apart"
    if objects.numbered:
        return 5.0, "half the usual, as the borders between objects are learned, too"
    return USUAL["border_weight"], AS_USUAL


def border_sigma(facts: DataFacts, chosen: Chosen) -> Decided:
    """Range of that weight: less where objects are narrow."""
    objects = facts.objects
    if not chosen["border_weight"] or objects is None or objects.width >= NARROW:
        return USUAL["border_sigma"], AS_USUAL
    return max(round(objects.width / 2, 1), 1.5), f"objects are {objects.width:.0f} px wide"


def norms_settle_after(facts: DataFacts, chosen: Chosen) -> Decided:
    """Settled batch norms: where the few crops of a step may be of another kind than an image."""
    if not both_ways(facts):
        return USUAL["norms_settle_after"], AS_USUAL
    return SETTLED, "images are of several kinds, and batch norms see few of them in a step"


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        depth, base_channels, max_channels, resolution, train_batch_size,
        pretrained_model_name_or_path, new_head, class_sampling, rotation, scale_range, elastic_std,
        channel_mixing, inversion, loss, class_balance, border_weight, border_sigma,
        norms_settle_after,
    )
}  # fmt: skip


def conflict(name: str, facts: DataFacts, chosen: Chosen) -> str:
    """Says what in the data speaks against an option that was given; "" if nothing does."""
    value, side = chosen[name], facts.sides[1]
    if name == "resolution" and value > 1.25 * side:
        mirrored = 1 - (side / value) ** 2
        return f"images are {sizes(facts)} px, so {mirrored:.0%} of each crop is mirrored"
    if name == "resolution" and facts.objects and value < facts.objects.median:
        return f"typical objects are {facts.objects.median:.0f} px, more than a crop"
    if name == "depth" and facts.objects and field_of_view(value) < facts.objects.median:
        seen = f"a pixel sees {field_of_view(value)} px"
        return f"{seen}, and typical objects are {facts.objects.median:.0f} px"
    if name == "pretrained_model_name_or_path" and value == START and facts.known:
        seen = number_of(facts.known, "image")
        return f"it was trained on {seen} of these, so scores flatter it"
    if name == "channel_mixing" and value and facts.channels != 3:
        return f"only three channels can be mixed, and images have {facts.channels}"
    if name == "channel_mixing" and value and facts.gray == facts.images:
        return "images are gray stored as RGB: it makes colours that do not occur"
    return ""
