"""README.md of a package: what goes in, what comes out, and what was measured.

Validation, data, limits, licence and citation are those of the checkpoint's card, which is written
from its records.
"""

import re

from ...errors import ExportError
from ...hub.card import SECTION
from ...hub.layout import CARD_NAME
from ..description import words
from ..job import Job
from .names import COVER, SAMPLE_INPUT, SAMPLE_OUTPUT, TEST_INPUT, TEST_OUTPUT
from .picture import Picture
from .tensors import EPSILON, smallest_side

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
# A section of the card, and what it is called here.
FROM_CARD = {
    "Data": "Training data",
    "Limits": "Limits",
    "Licence of these weights": "Licence",
    "Citation": "Citation",
}
MEASURED = "What was measured"
UNMEASURED = "No scores of these weights are on record."


def write_documentation(job: Job, picture: Picture, name: str, description: str) -> str:
    """Returns the text; name and description are those of `rdf.yaml`."""
    network, described = job.model, job.description
    geometry = network.geometry
    section = card_sections((job.checkpoint / CARD_NAME).read_text(encoding="utf-8"))
    by_image = described["normalization"] == "image"
    channels = described["channels"]
    gaps = [MISSING, CHANNELS if len(channels) in (1, 3) else ""]
    if described["outliers"] == "clip":
        gaps.insert(0, OUTLIERS)
    names = ", ".join(f"{key} {value}" for key, value in described["classes"].items())
    text = TEXT.format(
        name=words(name),
        description=words(description),
        cover=COVER,
        origin=words(described["source"] or "unnamed weights"),
        at=f" (commit `{described['commit']}`)" if described["commit"] else "",
        unet_hf=described["unet_hf"],
        weights=described["model.safetensors"],
        count=len(channels),
        channels=words(", ".join(channels)),
        smallest=smallest_side(geometry),
        step=geometry.multiple,
        normalisation=(
            BY_IMAGE.format(epsilon=EPSILON)
            if by_image
            else FIXED.format(scale=_scale_words(picture.scale))
        ),
        gaps="\n".join(f"- {gap}" for gap in gaps if gap),
        borders=(TRIMMED if geometry.padding == "valid" else HALO).format(
            halo=geometry.halo, step=geometry.multiple
        ),
        classes=words(names),
        mask=described["mask"],
        objects=_objects(described),
        test=f"`{TEST_INPUT}` and `{TEST_OUTPUT}`",
        samples=f"`{SAMPLE_INPUT}` and `{SAMPLE_OUTPUT}`",
        measured=_lowered(section.get(MEASURED, UNMEASURED)),
    )
    for there, here in FROM_CARD.items():
        if there in section:
            text += f"\n## {here}\n\n{_lowered(section[there])}\n"
    return text


def card_sections(card: str) -> dict[str, str]:
    """The parts of our section of a card, by their headings.

    Raises:
        ExportError: The card has no such section.
    """
    found = SECTION.search(card)
    if found is None:
        raise ExportError(
            f"{CARD_NAME} has no section written by unet_hf. Save the checkpoint again: "
            "`model.save_pretrained(FOLDER)`."
        )
    _, *parts = HEADING.split(found.group().rpartition("<sub>")[0])
    return {
        heading.strip(): text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _lowered(text: str) -> str:
    """With its headings one level lower, as the text stands in a section here."""
    return re.sub(r"^(#+ )", r"#\1", text, flags=re.MULTILINE)


def _scale_words(scale: float) -> str:
    if scale == 1:
        return "taken as they are (0 to 1)"
    return f"divided by {round(1 / scale)} first, as images with that largest value need it"


def _objects(described: dict[str, object]) -> str:
    if "object_maps" not in described:
        return ""
    maps = "\n".join(f"- `object_{key}`: {text}" for key, text in described["object_maps"].items())
    return OBJECTS.format(maps=maps, rule=described["object_rule"])


BY_IMAGE = """The description normalises each image by its own mean and standard deviation, of all
channels and pixels together (`zero_mean_unit_variance`; {epsilon:g} is added to the deviation). The
unit of the pixels makes no difference. A program that does so block by block gives each block
another brightness: let it take the whole image where it fits into memory. So does one that mirrors
pixels around a whole image first, as bioimageio.core 0.11 does unless it is told to skip the
padding, or to predict in blocks, which it normalises as a whole."""
FIXED = """The description normalises with fixed numbers (`fixed_zero_mean_unit_variance`). Pixels
are {scale}; for other images change `gain` in `scale_linear`."""
OUTLIERS = """Hot pixels: unet_hf clips values that are further from nearly all others than three
times their range. The specification has no such step. Of 697 images in five data sets, one has such
values; clip them before, if yours do."""
MISSING = """Missing pixels (NaN, or the value that a file names): unet_hf leaves them out. Here
they have to be filled before."""
CHANNELS = """Other channels: unet_hf mixes red, green and blue to gray, and shows gray as three
equal channels. Here the image has to have the channels above."""
HALO = """A pixel sees at most {halo} px to each side, which is the halo of the output. Blocks that
overlap by that much and begin at multiples of {step} px see what the whole image shows there, if
they are normalised as the whole image is."""
TRIMMED = "The network trims {halo} px on each side, so that the output is smaller than the input."
OBJECTS = """
Further channels tell objects of the same class apart:

{maps}

{rule}

A program that knows nothing of this can take the classes alone, or split the mask by a watershed on
`object_distance`.
"""
TEXT = """# {name}

{description}

![An image, and the same with its classes painted over]({cover})

The weights of `{origin}`{at}, written by unet_hf {unet_hf} from the model.safetensors with the
SHA-256 `{weights}`.

## Input

`image`: float32, batch, channel ({channels}), y, x. Pixels as the file has them. Height and width
are {smallest} px or {step} px more, {step} px more than that, and so on.

{normalisation}

What unet_hf does to an image beyond this, and a reader of this package does not:

{gaps}

{borders}

## Output

`prediction`: float32, batch, channel, y, x. The first channels are the probabilities of the classes
({classes}). The mask: {mask}.
{objects}
## Validation

{test} are an image, and what the checkpoint predicts for it: `bioimageio test` compares them with
what the weights in this package predict. {samples} are the same, for ImageJ.

From the card of the checkpoint, whose files it names:

{measured}
"""
