"""Counts and measures the labelled objects of a data set, for the plan and the checks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unet_hf.data.open import LabelledData
from unet_hf.words import number_of

from .inspection import Inspection, PairSummary


def describe_objects(data: LabelledData, inspection: Inspection, asked: str) -> list[str]:
    """Says in words what the objects are, how many there are, and how large.

    asked: The option --objects.
    """
    if asked == "none":
        return ["not learned (--objects none)"]
    if data.objects is None:
        return [
            "none, as the masks hold classes (--objects components makes each connected piece one)"
        ]
    found = measure_objects(inspection.train)
    looked_at = len(inspection.train)
    images = number_of(looked_at, "image")
    if inspection.train_total != looked_at:
        images = f"the {images} looked at"
    lines = [
        f"{data.objects}, {found['count']:,} in {images}; the network learns to part them "
        "(--objects none to leave it)"
    ]
    if found["count"]:
        small, median, large = found["diameter"]
        share = found["touching"] / found["count"]
        lines.append(
            f"{found['touching']:,} ({share:.0%}) touch another; diameter {small:.1f} to "
            f"{large:.1f} px, median {median:.1f}"
        )
    return lines


def measure_objects(rows: Sequence[PairSummary]) -> dict[str, Any]:
    """Number of objects, of those that touch another, and smallest, median, largest diameter, px.

    The diameter is that of the circle with the same area; None without objects.
    """
    found = [facts.objects for facts in rows if facts.objects is not None]
    diameters = np.concatenate([facts.diameters for facts in found]) if found else np.zeros(0)
    span = np.quantile(diameters, [0, 0.5, 1]).round(1).tolist() if len(diameters) else None
    touching = sum(facts.touching for facts in found)
    return {"count": len(diameters), "touching": touching, "diameter": span}
