"""The panel says what a checkpoint's files say, and nothing else."""

from demo.segment.model_panel import panel
from unet_hf import UNet


def test_a_shipped_checkpoint_tells_scores_licence_and_speed():
    text = panel("unet-isbi", UNet.from_pretrained("unet-isbi"))
    for words in (
        "V_rand 0.9868", "5 images of ISBI 2012 challenge (validation)",
        "About Cell membranes (electron microscopy)", "from_pretrained(&quot;unet-isbi&quot;)",
        "isbi-2012-em-non-commercial", "ms for 512 × 512 px",
    ):  # fmt: skip
        assert words in text


def test_what_was_not_measured_is_said_not_to_be(tmp_path):
    title = "<script>alert(1)</script>"
    UNet(base_channels=2, depth=1, title=title).save_pretrained(tmp_path / "net")
    text = panel("net", UNet.from_pretrained(tmp_path / "net"))
    assert "not measured" in text
    assert "not stated" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_damaged_record_takes_the_evidence_away_not_the_panel(tmp_path):
    UNet(base_channels=2, depth=1).save_pretrained(tmp_path / "net")
    (tmp_path / "net" / "evaluation.json").write_text("no JSON")
    assert "About net" in panel("net", UNet.from_pretrained(tmp_path / "net"))
