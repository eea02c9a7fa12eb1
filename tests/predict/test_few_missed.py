"""The threshold that bounds what is missed: by hand, by name, and on the card."""

import json
from pathlib import Path

import numpy as np
import pytest

from demo.server.checkpoints.model_facts import few_missed_of
from demo.server.in_view import InView
from unet_hf import UNet
from unet_hf.cli.main import main
from unet_hf.data.pairs import Pair
from unet_hf.errors import ConfigError
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.few_missed import CUTS, few_missed, missed_shares
from unet_hf.hub.card import CardOptions
from unet_hf.hub.few_missed import why_none
from unet_hf.hub.save import write_card
from unet_hf.images.reading import read_image
from unet_hf.large import segment_large

from ..evaluation.test_model_card import scores_for

USUAL = {"missed": 0.15, "precision": 0.95, "area": 0.9}
CHOSEN = {"missed": 0.02, "precision": 0.875, "area": 1.25}
RECORD = {
    "share": 0.1, "threshold": 0.25, "images": 12, "without": 1, "chosen": CHOSEN, "usual": USUAL,
}  # fmt: skip


def counts(*missed: int) -> np.ndarray:
    """(thresholds, 2, 2) of an image with ten pixels of class 1 and none of the other wrong."""
    return np.array([[[90, 0], [lost, 10 - lost]] for lost in missed])


def test_the_bound_by_hand():
    """Nine images without a miss at 0.2 and one pixel of one image missed at 0.3: the bounds are
    1/10 and (0.1 + 1)/10. A tenth image allows 0.1 more in all: 1.1/11."""
    nine = np.stack([counts(0, 1, 5)] + [counts(0, 0, 5)] * 8)
    cuts = (0.2, 0.3, 0.4)
    found = few_missed(nine, nine[:, 2], 0.1, cuts)
    assert (found["threshold"], found["images"], found["without"]) == (0.2, 9, 0)
    ten = np.concatenate([nine, counts(0, 0, 5)[None]])
    assert few_missed(ten, ten[:, 2], 0.1, cuts)["threshold"] == 0.3
    assert few_missed(ten, ten[:, 2], 0.54, cuts)["threshold"] == 0.3  # (5 + 1) / 11 = 0.545...
    assert few_missed(ten, ten[:, 2], 0.55, cuts)["threshold"] == 0.4


def test_what_it_costs_by_hand():
    """Two images with 10 and 30 true pixels: 2 and 3 missed, 5 and 0 falsely marked."""
    at = np.array([[[85, 5], [2, 8]], [[70, 0], [3, 27]]])
    found = few_missed(at[:, None], at, 0.9, (0.5,))
    assert found["chosen"] == found["usual"]
    assert found["usual"] == pytest.approx(
        {"missed": (0.2 + 0.1) / 2, "precision": 35 / 40, "area": 40 / 40}
    )


def test_an_image_without_the_class_counts_as_nothing_missed_and_is_told():
    empty = np.array([[[100, 0], [0, 0]]])
    assert missed_shares(empty).tolist() == [0]
    images = np.stack([empty] * 9)
    found = few_missed(images, images[:, 0], 0.1, (0.5,))
    assert (found["threshold"], found["without"]) == (0.5, 9)
    assert found["usual"] == {"missed": 0.0, "precision": None, "area": None}


def test_fewer_than_nine_images_cannot_promise_a_tenth_and_it_is_said():
    eight = np.stack([counts(0)] * 8)
    found = few_missed(eight, eight[:, 0], 0.1, (0.5,))
    assert found["threshold"] is None and found["chosen"] is None
    assert "8 images are too few, it takes 9" in why_none(found)
    bad = np.stack([counts(3)] * 20)
    assert "at every threshold" in why_none(few_missed(bad, bad[:, 0], 0.1, (0.5,)))


def test_on_new_images_no_more_is_missed_than_promised():
    """Images of differing difficulty, 1,000 times 20 to choose on and one new one."""
    random = np.random.default_rng(0)
    cuts = np.array(CUTS)
    lost = []
    for _ in range(1000):
        hardness = random.uniform(0.2, 3, (21, 1))
        missed = np.round(1000 * cuts**hardness).astype(int)  # rises with the threshold
        tables = np.zeros((21, len(cuts), 2, 2), int)
        tables[..., 1, 0], tables[..., 1, 1] = missed, 1000 - missed
        threshold = few_missed(tables[:20], tables[:20, 0])["threshold"]
        lost.append(missed[20, CUTS.index(threshold)] / 1000 if threshold else 0)
    assert 0.05 < np.mean(lost) <= 0.1 + 2 * np.std(lost) / np.sqrt(len(lost))


def test_an_evaluation_finds_it_whatever_the_threshold(monkeypatch):
    """Ten images with ten true pixels at 0.5 and one image that has one of them at 0.105: at
    0.10 nothing is missed, from 0.11 to 0.49 one pixel of a hundred, and from 0.5 all."""
    label = np.zeros((10, 10), np.uint8)
    label[0] = 1
    model = UNet(in_channels=1, base_channels=2, depth=1)
    shown = np.where(label, np.float32(0.5), np.float32(0.01))
    weak = shown.copy()
    weak[0, 0] = 0.105
    maps = iter([weak] + [shown] * 9)
    usual = model.segment

    def answers(image, **options):
        share = next(maps)
        result = usual(image, **options)
        result.probabilities[:] = np.stack([1 - share, share])
        return result

    monkeypatch.setattr(model, "segment", answers)
    image = read_image(np.zeros((10, 10), np.uint8))
    pairs = [Pair(str(n), image, label, None, {}) for n in range(10)]
    found = evaluate(model, pairs, 0.5).few_missed
    assert found["threshold"] == 0.49
    assert found["chosen"]["missed"] == pytest.approx(0.01)
    assert found["usual"]["missed"] == 1.0  # 0.5 is not above 0.5


@pytest.fixture
def folder(tmp_path) -> Path:
    labels = {"0": "ground", "1": "cell | <b>nucleus</b>"}
    folder = tmp_path / "net"
    UNet(in_channels=1, base_channels=2, depth=1, id2label=labels).save_pretrained(folder)
    return folder


def measured(folder: Path, **few) -> None:
    record = scores_for(folder, few_missed=RECORD | few)
    (folder / "evaluation.json").write_text(json.dumps(record))


def test_it_is_taken_by_its_name(folder, tmp_path):
    measured(folder)
    model = UNet.from_pretrained(folder)
    image = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    result = model.segment(image, threshold="few_missed")
    assert result.threshold == 0.25
    assert np.array_equal(result.mask, model.segment(image, threshold=0.25).mask)
    large = segment_large(model, image, tmp_path / "large", threshold="few_missed")
    assert large.summary()["threshold"] == 0.25
    np.save(tmp_path / "image.npy", image)
    command = ["segment", str(tmp_path / "image.npy"), "--model", str(folder), "--output"]
    out = tmp_path / "out"
    assert main([*command, str(out), "--threshold", "few_missed", "--only", "summary"]) == 0
    assert json.loads((out / "image_summary.json").read_text())["threshold"] == 0.25


def test_what_has_none_says_so(folder, tmp_path, capsys):
    image = np.zeros((32, 32), np.uint8)
    new = UNet(in_channels=1, base_channels=2, depth=1)
    three = UNet(in_channels=1, base_channels=2, depth=1, num_classes=3)
    model = UNet.from_pretrained(folder)
    for one, name, words in (
        (new, "few_missed", "not loaded from a checkpoint"),
        (three, "few_missed", "exactly two classes"),
        (model, "few_missed", "no evaluation.json that says one"),
        (model, "few_mised", "neither a number from 0 to 1 nor 'few_missed'"),
    ):
        with pytest.raises(ConfigError, match=words):
            one.segment(image, threshold=name)
        with pytest.raises(ConfigError, match=words):
            segment_large(one, image, tmp_path, threshold=name)
    measured(folder, threshold=None, images=5, chosen=None)
    with pytest.raises(ConfigError, match="5 images are too few"):
        model.segment(image, threshold="few_missed")
    measured(folder)
    next(model.parameters()).data += 1
    with pytest.raises(ConfigError, match="weights have changed"):
        model.segment(image, threshold="few_missed")
    with pytest.raises(SystemExit):
        main(["segment", "a", "--model", str(folder), "--output", "b", "--threshold", "low"])
    assert "neither a number from 0 to 1 nor few_missed" in capsys.readouterr().err


def test_the_page_offers_it_with_what_it_assumes_where_there_is_one(folder):
    model, in_view = UNet.from_pretrained(folder), InView()
    assert few_missed_of(model) is None and in_view.few_missed_of("unet-superalloy") is None
    assert in_view.few_missed_of("unet-nuclei")["threshold"] == 0.36
    measured(folder)
    offered = few_missed_of(model)
    assert offered["threshold"] == 0.25
    name = model.id2label[1]  # with characters of HTML; the viewer takes it as text
    for part in (
        f"At most 10 % of the pixels of {name} are expected to be missed",
        "in the mean, not in every image",
        "images like the 12 it was measured on",
    ):
        assert part in offered["words"]
    in_view.note_model("org/unet-cells", model)
    assert in_view.few_missed_of("org/unet-cells") == offered
    measured(folder, threshold=None, images=5, chosen=None)
    assert few_missed_of(model) is None


def test_the_card_says_what_it_assumes_and_costs(folder):
    measured(folder)
    write_card(folder, CardOptions("org/net"))
    card = (folder / "README.md").read_text()
    for words in (
        "at most 10 % of the pixels of `cell &#124; &lt;b&gt;nucleus&lt;/b&gt;` are expected",
        "exchangeable with these",
        "1 of the images has no",
        "| 0.25, few_missed | 2 % | 87.5 % | 1.25 |",
        "| 0.5, as stored | 15 % | 95 % | 0.90 |",
    ):
        assert words in card
    measured(folder, threshold=None, images=5, chosen=None)
    write_card(folder, CardOptions("org/net"))
    card = (folder / "README.md").read_text()
    assert "5 images are too few, it takes 9" in card
    assert "as stored" not in card
