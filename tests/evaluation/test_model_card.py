"""Cards: what they say comes from the files, and what people wrote stays theirs."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from unet_hf import UNet, sample_input
from unet_hf.errors import CheckpointError
from unet_hf.hub.card import (
    BEGIN,
    END,
    CardOptions,
    claimed_classes,
    class_rows,
    merge_cards,
    render_card,
    split_card,
)
from unet_hf.hub.layout import EVALUATION_NAME
from unet_hf.hub.records import HASHES_KEY, CheckpointRecords, checkpoint_hashes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "unet-cells"
    labels = {"0": "ground", "1": "cell | <b>nucleus</b>"}
    UNet(base_channels=2, depth=1, id2label=labels).save_pretrained(folder)
    return folder


def scores_for(folder: Path, **changes) -> dict:
    """An evaluation.json as `evaluate` writes it."""
    return {
        "dataset": {
            "name": "org/cells", "config": None, "shown": "test", "split": "test",
            "revision": "abc",
        },
        "arguments": "--dataset_name org/cells --split test",
        "score": 0.75, "score_name": "mean IoU", "threshold": 0.5,
        "iou": {"ground": 0.9, "cell | <b>nucleus</b>": 0.6},
        "dice": {"ground": 0.95, "cell | <b>nucleus</b>": 0.75},
        "mean_iou": 0.75, "pixel_accuracy": 0.93,
        "calibration": {"expected_error": 0.0321, "bins": 15},
        "intervals": {
            "iou": {"ground": [0.88, 0.92], "cell | <b>nucleus</b>": None},
            "dice": {"ground": [0.93, 0.96], "cell | <b>nucleus</b>": None},
            "mean_iou": [0.7, 0.8],
        },
        "membrane": None,
        "images": [{"name": str(i), "mean_iou": 0.9 - i / 10} for i in range(5)],
        "groups": {},
        HASHES_KEY: checkpoint_hashes(folder),
    } | changes  # fmt: skip


def test_a_card_without_evidence_has_no_numbers_and_says_so(folder):
    card = (folder / "README.md").read_text()
    assert "Nothing has been measured for this card" in card
    assert "Not stated by whoever published them" in card
    for word in ("IoU", "model-index", "Calibration", "Speed", "licence of the data"):
        assert word not in card
    data, _ = split_card(card)
    assert data["library_name"] == "unet_hf"
    assert data["pipeline_tag"] == "image-segmentation"
    assert "license" not in data


def test_scores_appear_with_intervals_worst_images_and_their_command(folder, tmp_path):
    copy = tmp_path / "unet-cells"
    UNet.from_pretrained(folder).save_pretrained(copy)
    (copy / EVALUATION_NAME).write_text(json.dumps(scores_for(copy)))
    card = render_card(copy, CardOptions("org/unet-cells", license="mit"))
    for words in (
        "0.9000 [0.8800 .. 0.9200]",
        "**0.7500 [0.7000 .. 0.8000]**",
        "4 (mean IoU 0.5000), 3 (mean IoU 0.6000), 2 (mean IoU 0.7000)",
        "calibration error is 0.0321",
        "python -m unet_hf evaluate --model org/unet-cells --dataset_name org/cells --split test",
        'UNet.from_pretrained("org/unet-cells")',
        "`mit`",
        "so few images make them coarse",
    ):
        assert words in card
    index = split_card(card)[0]["model-index"]
    (result,) = index[0]["results"]
    assert result["dataset"] == {
        "name": "org/cells", "type": "org/cells", "split": "test", "revision": "abc"
    }  # fmt: skip
    assert result["metrics"] == [{"type": "mean_iou", "value": 0.75, "name": "mean IoU"}]


def test_scores_of_other_weights_are_never_on_the_card(folder, tmp_path):
    copy = tmp_path / "unet-cells"
    other = UNet(base_channels=2, depth=1)
    other.save_pretrained(copy)
    (copy / EVALUATION_NAME).write_text(json.dumps(scores_for(folder)))  # another's stamp
    assert CheckpointRecords.read(copy).evaluation is None
    assert CheckpointRecords.read(copy).stale == (EVALUATION_NAME,)
    assert "0.75" not in render_card(copy, CardOptions("x"))


def test_texts_from_elsewhere_have_no_meaning_in_tables_or_html(folder):
    card = (folder / "README.md").read_text()
    assert "<b>nucleus</b>" not in card
    assert "cell &#124; &lt;b&gt;nucleus" in card
    assert claimed_classes(card) == class_rows(UNet.from_pretrained(folder).config)


def test_the_three_lines_run_as_they_stand(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)  # where "unet-cells" is a folder
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 3
    exec(compile(code, "card", "exec"), {})
    assert (folder.parent / "result" / "mask.png").is_file()


def test_a_link_opens_the_demo_with_this_checkpoint(folder):
    card = render_card(folder, CardOptions("org/net", space="org/demo"))
    assert "https://huggingface.co/spaces/org/demo?model=org/net" in card
    assert "python app.py --model org/net" in render_card(folder, CardOptions("org/net"))
    spaced = render_card(folder, CardOptions("my net"))
    assert "python app.py --model 'my net'\n" in spaced
    assert 'UNet.from_pretrained("my net")' in spaced


def test_saving_again_changes_nothing_and_no_list_grows(folder, tmp_path):
    model = UNet.from_pretrained(folder)
    texts = []
    for _ in range(3):
        model.save_pretrained(tmp_path / "again")
        texts.append((tmp_path / "again" / "README.md").read_text())
    assert texts[0] == texts[1] == texts[2]
    assert split_card(texts[0])[0]["tags"] == ["unet"]
    assert str(model.generate_model_card()).count("- unet\n") == 1


def test_what_people_wrote_stays_and_only_our_section_is_replaced(folder):
    new = (folder / "README.md").read_text()
    data, text = split_card(new)
    edited = text.replace("# unet-cells", "# Cells of the Miller lab\n\nAsk Ann.", 1)
    edited = edited.replace("tells ground", "TELLS GROUND") + "\n## Acknowledgements\n\nThanks.\n"
    data |= {"license": "cc-by-4.0", "language": "en", "tags": ["unet", "cells"]}
    data["model-index"] = [{"name": "stale", "results": []}]
    existing = f"---\n{yaml.safe_dump(data)}---\n{edited}"

    merged = merge_cards(existing, new)
    found, merged_text = split_card(merged)
    assert "# Cells of the Miller lab\n\nAsk Ann." in merged_text
    assert merged_text.endswith("## Acknowledgements\n\nThanks.\n")
    assert "TELLS GROUND" not in merged_text  # that was inside the marks
    assert merged_text.count(BEGIN) == merged_text.count(END) == 1
    assert found["license"] == "cc-by-4.0"
    assert found["language"] == "en"
    assert found["tags"] == ["unet", "cells"]
    assert "model-index" not in found  # a score that no evidence backs
    assert merge_cards(merged, new) == merged


def test_a_card_that_is_none_of_ours_is_kept_whole(folder):
    new = (folder / "README.md").read_text()
    old = "Written by hand, with Windows line ends.\r\n\r\nNo metadata.\r\n"
    merged = merge_cards(old, new)
    assert "Written by hand, with Windows line ends.\r\n\r\nNo metadata." in merged
    assert claimed_classes(merged) == claimed_classes(new)
    assert merge_cards(None, new) == merge_cards("  \n", new) == new


def test_a_stated_licence_wins_over_the_one_before(folder):
    new = render_card(folder, CardOptions("x", license="mit"))
    old = "---\nlicense: other\nlicense_name: secret\n---\nText\n"
    assert split_card(merge_cards(old, new))[0]["license"] == "mit"
    assert "license_name" not in split_card(merge_cards(old, new))[0]


@pytest.mark.parametrize("front", ["a: [1", "- a list"])
def test_metadata_that_cannot_be_read_is_refused_not_overwritten(folder, front):
    with pytest.raises(CheckpointError, match="between its two lines of ---"):
        merge_cards(f"---\n{front}\n---\nText\n", (folder / "README.md").read_text())


def test_a_checkpoint_saved_as_it_was_loaded_keeps_its_evidence_and_a_changed_one_does_not(
    folder, tmp_path
):
    import torch

    first = tmp_path / "first"
    UNet.from_pretrained(folder).save_pretrained(first, license="mit")
    (first / EVALUATION_NAME).write_text(json.dumps(scores_for(first)))

    model = UNet.from_pretrained(first)
    model.save_pretrained(tmp_path / "same")
    assert CheckpointRecords.read(tmp_path / "same").evaluation is not None
    assert split_card((tmp_path / "same/README.md").read_text())[0]["license"] == "mit"
    assert checkpoint_hashes(tmp_path / "same") == checkpoint_hashes(first)
    assert sample_input(tmp_path / "same").read_bytes() == sample_input(first).read_bytes()

    with torch.no_grad():
        model.head.bias += 0.1
    model.save_pretrained(tmp_path / "changed")
    assert CheckpointRecords.read(tmp_path / "changed").evaluation is None
    assert "IoU" not in (tmp_path / "changed/README.md").read_text()


def test_the_hubs_own_class_reads_the_card(folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "unet_hf"
    assert card.data.eval_results is None
