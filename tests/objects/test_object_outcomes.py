"""What becomes of single objects when they are held against the truth."""

import numpy as np

from demo.truth.label_image import Truth
from demo.truth.object_outcomes import COLORS, ObjectOutcomes, outcomes_html

from ..support.drawn import drawn


def test_each_object_is_listed_where_it_is_and_painted_by_what_became_of_it():
    truth, mask = np.zeros((2, 20, 60), np.uint8)
    truth[2:8, 2:8], mask[2:8, 2:8] = 1, 1  # matched
    truth[2:8, 12:16] = 2  # missed
    mask[2:6, 22:27] = 1  # invented
    truth[2:8, 32:42], mask[2:8, 32:36], mask[2:8, 37:42] = 3, 1, 1  # split in two
    truth[12:18, 2:7], truth[12:18, 8:12], mask[12:18, 2:12] = 4, 5, 1  # two merged
    truth[12:18, 50:58] = 255  # not counted
    known = np.where(truth == 255, 255, truth > 0).astype(np.uint8)
    ids = np.where(truth == 255, 0, truth).astype(np.int32)
    outcomes = ObjectOutcomes.of(Truth(known, ids, ""), drawn(mask).objects())
    listed = outcomes.listed()
    boxes = {kind: [each.box for each in places] for kind, places in listed.items()}
    # A half of what was split, and of what was merged, is an IoU of 0.5 or less.
    assert boxes["split"] == [(32, 2, 10, 6)]
    assert boxes["merged"] == [(2, 12, 10, 6)]
    assert (2, 2, 6, 6) in boxes["matched"]
    assert (12, 2, 4, 6) in boxes["missed"]
    assert (22, 2, 5, 4) in boxes["invented"]
    assert listed["split"][0].pixels == 60
    assert "true 3, as objects" in listed["split"][0].words
    painted, kinds = outcomes.map(), [*COLORS]
    places = {"matched": (4, 4), "missed": (4, 14), "invented": (4, 24), "split": (4, 34)}
    places |= {"merged": (14, 7), "not counted": (14, 54)}
    assert {kind: kinds[painted[place]] for kind, place in places.items()} == {
        kind: kind for kind in places
    }
    assert painted[0, 0] == 255
    html = outcomes_html(outcomes)
    assert html.count("<section") == 5
    assert 'aria-label="Next split"' in html
