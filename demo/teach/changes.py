"""Where a teaching has changed the picture in view: a list whose places are one click away."""

from unet_hf import Segmentation
from unet_hf.evaluation.comparison import Region, differing_regions

from ..parts.region_list import SHOWN, regions_html

LIST = "teach_changes"  # elem_id
LEAST = 12  # pixels: smaller ones are edges that have moved a little


def changes_html(before: Segmentation | None, after: Segmentation | None) -> str:
    """The regions that have another class now, the largest first; empty where there is no before,
    or one with other classes."""
    if before is None or after is None or before.id2label != after.id2label:
        return ""
    regions = differing_regions(before.mask, after.mask, after.id2label, None, SHOWN + 1)
    large = [region for region in regions if region.pixels >= LEAST]
    return regions_html("What has changed, the largest first", large, words_of)


def words_of(region: Region) -> str:
    """ "background, now nucleus, at 12, 40 (9 × 11)"."""
    x, y, width, height = region.box
    return f"{region.truth}, now {region.predicted}, at {x}, {y} ({width} × {height})"
