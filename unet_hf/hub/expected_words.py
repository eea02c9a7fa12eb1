"""Says in words what to expect on new images, from the estimate in `evaluation.json`."""

from collections.abc import Mapping
from typing import Any

NAMES = {
    "v_rand": "V_rand",
    "v_info": "V_info",
    "mean_iou": "mean IoU",
    "ap50": "AP of objects at IoU 0.5",
}
CHOICES = {
    "step": "the training step",
    "threshold": "the threshold",
    "objects": "the way of making objects",
}


def expected_words(expected: Mapping[str, Any]) -> str:
    """Lists the expected scores, "mean IoU 0.9021 [0.8812 .. 0.9209]"."""
    parts = []
    for name, title in NAMES.items():
        if name in expected["scores"]:
            spread = expected["intervals"].get(name)
            brackets = " [{:.4f} .. {:.4f}]".format(*spread) if spread else ""
            parts.append(f"{title} {expected['scores'][name]:.4f}{brackets}")
    return ", ".join(parts)


def how_expected(expected: Mapping[str, Any]) -> str:
    """Says in one or two sentences how the scores were estimated, and what that assumes."""
    chosen = _listed([CHOICES[name] for name in expected["chosen"] if name in CHOICES])
    plural = len(expected["chosen"]) > 1
    left_out, images = expected["left_out"], expected["images"]
    group = "image" if left_out == 1 else f"group of up to {left_out} neighbouring images"
    if expected["method"] == "held out":
        how = (
            "These are the scores of the images: as far as the records of the checkpoint tell, "
            "they chose nothing and were never trained on."
        )
    elif expected["method"] == "cross-validation":
        how = (
            f"By {expected['folds']}-fold cross-validation: each image was segmented by a network "
            "that was not trained on it"
        )
        how += (
            f", with {chosen} that {'are' if plural else 'is'} best on the other images."
            if chosen
            else "."
        )
    else:
        how = (
            f"Each {group} was scored with {chosen} that {'are' if plural else 'is'} best on the "
            "others, so that it had no say in the choice."
        )
        if "step" not in expected["chosen"]:
            how += " The training step was not chosen anew."
    assumes = "This assumes that new images are like these"
    return f"{how} {assumes} {images}."


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
