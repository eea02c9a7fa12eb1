"""A checkpoint knows which images it was trained on, and says when one is unlike them."""

import base64
import csv
import json
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image
import pytest
import torch

from demo.segment import unlike
from demo.segment.unlike import SENTENCE, UnlikeHint, best_fitting
from train.loop import train
from unet_hf import UNet, read_image
from unet_hf.cli.main import main
from unet_hf.engine import scope as scopes
from unet_hf.engine.scope import (
    Scope,
    describe_image,
    fit_scope,
    over_the_limit,
    unlike_training,
)
from unet_hf.errors import CheckpointError, ConfigError
from unet_hf.evaluation.verification import verify
from unet_hf.hub.scope_record import make_scope_record, read_scope, write_scope_record
from unet_hf.large import segment_large

from ..support.drawn import drawn
from ..support.networks import NETWORKS, network
from ..support.tiny_training import tiny, write_dataset


def cells(seed: int, side: int = 96) -> np.ndarray:
    """Smooth bright discs on a dark ground, (side, side) uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    image = np.full((side, side), 40.0)
    for y, x, radius in rng.uniform((0, 0, 5), (side, side, 9), (12, 3)):
        image += 120 * np.clip(radius - np.hypot(rows - y, columns - x), 0, 2)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def described(model: UNet, image: np.ndarray) -> np.ndarray:
    return describe_image(model, model.preprocessing.prepare(read_image(image)))


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that has seen `cells`."""
    folder = tmp_path_factory.mktemp("scope") / "unet-cells"
    model = network(in_channels=1, num_classes=2, base_channels=4, depth=2)
    model.save_pretrained(folder)
    images = [described(model, cells(seed)) for seed in range(30)]
    scope = fit_scope(np.stack(images[:24]), np.stack(images[24:]))
    write_scope_record(folder, make_scope_record(scope, folder))
    return folder


# ------------------------------------------------------------------------------- arithmetic


def test_the_distance_is_that_of_mahalanobis_to_the_nearest_example(monkeypatch):
    monkeypatch.setattr(scopes, "SHRINKAGE", 0.5)
    examples = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0], [4.0, 4.0]])
    # By hand: means 1.6, squares 11.2 / 4, products (2.56 - 0.64 - 0.64 + 0.16 + 5.76) / 4.
    covariance = np.cov(examples, rowvar=False)
    np.testing.assert_allclose(covariance, [[2.8, 1.8], [1.8, 2.8]])
    # Shrunk by half, 0.9 beside the diagonal, whose inverse is [[2.8, -0.9], [-0.9, 2.8]] / 7.03.
    # From (4, 4) to (5, 4): 2.8 / 7.03, over two features. (The diagonal is 2e-4 larger.)
    (distance,) = Scope(examples, 1.0).distances(np.array([[5.0, 4.0]]))
    assert distance == pytest.approx(np.sqrt(2.8 / 7.03 / 2), rel=2e-4)
    assert Scope(examples, 0.5).unlikeness(np.array([5.0, 4.0])) == pytest.approx(2 * distance)
    assert Scope(examples, 1.0).distances(examples).max() == 0


def test_the_limit_is_what_99_in_100_do_not_exceed():
    points = np.random.default_rng(0).normal(size=(300, 4))
    scope = fit_scope(points[:100], points[100:])
    beyond = scope.distances(points[100:]) > scope.limit
    assert beyond.sum() <= 4
    few = fit_scope(points[:10], points[10:15])
    assert few.distances(points[10:15]).max() <= few.limit


def test_the_examples_leave_no_training_image_far_away():
    crowd = np.random.default_rng(0).normal(size=(400, 3))
    rare = np.full((2, 3), 6.0)
    scope = fit_scope(np.concatenate([crowd, rare]), crowd[:5])
    assert len(scope.examples) == scopes.MOST_EXAMPLES
    assert (scope.examples == 6).all(axis=1).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_describes_an_image_of_any_size(name: str):
    model = network(**NETWORKS[name])
    channels = model.config["in_channels"]
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (20, 300), (90, 70)):
        image = rng.integers(0, 256, (*shape, channels), dtype=np.uint8)
        one = described(model, image)
        assert one.shape == (scopes.count_features(model),) and np.isfinite(one).all()
        assert np.array_equal(one, described(model, image))


def test_a_description_is_of_the_feature_maps_that_the_network_computes():
    model = network(in_channels=1, num_classes=2, base_channels=4, depth=2)
    window = read_image(cells(0, scopes.SIDE))  # all windows are the whole image
    prepared = model.preprocessing.prepare(window)
    first = model.contracting[0](prepared.whole()[None])
    second = model.contracting[1](model.pooling(first))
    third = model.bottleneck(model.pooling(second))
    means = [maps[0].detach().flatten(1).double().numpy().mean(1) for maps in (second, third)]
    expected = np.log(np.concatenate(means) + scopes.FLOOR)
    np.testing.assert_allclose(describe_image(model, prepared), expected, atol=1e-5)


# ---------------------------------------------------------------------------------- results


def test_images_like_the_trainings_are_below_the_limit_and_others_above(knowing):
    model = UNet.from_pretrained(knowing)
    for seed in (50, 51, 52):
        result = model.segment(cells(seed))
        assert result.unlike_training < 1.05
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    for foreign in (noise, 255 - cells(50)):
        result = model.segment(foreign)
        assert result.unlike_training > 1
        assert result.notes[0].startswith("unlike the images this checkpoint was trained on (")
        assert result.summary()["unlike_training"] == round(result.unlike_training, 3)
        assert result.with_threshold(0.7).unlike_training == result.unlike_training


def test_the_distance_does_not_depend_on_tiles_or_on_how_the_image_is_computed(knowing, tmp_path):
    model, image = UNet.from_pretrained(knowing), cells(60, 200)
    whole = model.segment(image, precision="float32").unlike_training
    assert model.segment(image, tile_size=96).unlike_training == whole
    assert model.segment(image, tta=True).unlike_training == whole
    assert segment_large(model, image, tmp_path, tile_size=96).unlike_training == whole
    assert UNet.from_pretrained(knowing).segment(image).unlike_training == whole


def test_other_weights_have_no_scope(knowing, tmp_path, caplog):
    model = UNet.from_pretrained(knowing)
    assert model.scope is not None
    with torch.no_grad():
        model.head.bias += 1
    assert model.segment(cells(0)).unlike_training is None
    model.save_pretrained(tmp_path / "changed")
    assert not (tmp_path / "changed" / "scope.json").exists()
    assert caplog.text == ""

    shutil.copyfile(knowing / "scope.json", tmp_path / "changed" / "scope.json")
    result = UNet.from_pretrained(tmp_path / "changed").segment(cells(0))
    assert result.unlike_training is None and "unlike_training" not in result.summary()
    assert "scope.json was made for another configuration or other weights" in caplog.text
    wrong = [found.text for found in verify(tmp_path / "changed") if not found.ok]
    assert any("unet_hf scope" in text for text in wrong)


def test_a_saved_checkpoint_keeps_its_scope(knowing, tmp_path):
    UNet.from_pretrained(knowing).save_pretrained(tmp_path)
    assert (tmp_path / "scope.json").read_bytes() == (knowing / "scope.json").read_bytes()
    assert [found.text for found in verify(tmp_path) if not found.ok] == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("limit", 0, "its limit is 0"),
        ("limit", "1", "its limit is '1'"),
        ("examples", [[0.0] * 24] * 5, "its examples are no text"),
        ("examples", "eJwD", "its examples are 0 numbers, expected are 24 for each of 5 to 128"),
        ("examples", packed(b"\0" * 24 * 4), "its examples are 96 numbers"),
        ("examples", packed(b"\0" * 24 * 5 + b"\0"), "its examples are 121 numbers"),
        ("examples", packed(b"\0" * 10**9), "its examples are 3073 numbers"),
        ("examples", "no base64", "its examples cannot be unpacked"),
        ("examples", "bm8gemxpYg==", "its examples cannot be unpacked"),
        ("version", 3, "is of another version of unet_hf, which described images otherwise"),
    ],
)
def test_a_damaged_record_is_told_and_not_used(knowing, tmp_path, caplog, key, value, said):
    folder = shutil.copytree(knowing, tmp_path / "unet-cells")
    record = json.loads((folder / "scope.json").read_text()) | {key: value}
    (folder / "scope.json").write_text(json.dumps(record))
    model = UNet.from_pretrained(folder)
    with pytest.raises(CheckpointError, match=said):
        read_scope(folder, model)
    assert model.segment(cells(0)).unlike_training is None
    assert said in caplog.text


def test_a_record_of_the_first_version_is_refused_in_words(knowing, tmp_path, caplog):
    """It had lists of numbers, two for each channel of the second level."""
    folder = shutil.copytree(knowing, tmp_path / "unet-cells")
    record = json.loads((folder / "scope.json").read_text())
    del record["version"]
    record["examples"] = [[-1.5] * 16] * 5
    (folder / "scope.json").write_text(json.dumps(record))
    assert UNet.from_pretrained(folder).segment(cells(0)).unlike_training is None
    assert "Make it again (`python -m unet_hf scope`)" in caplog.text
    (wrong,) = [found.text for found in verify(folder) if not found.ok]
    assert "another version of unet_hf" in wrong


def test_what_is_read_is_what_was_written_in_a_byte_for_each_number(knowing):
    model = UNet.from_pretrained(knowing)
    images = np.stack([described(model, cells(seed)) for seed in range(24)])
    assert np.abs(model.scope.examples - images).max() <= scopes.STEP / 2 + 1e-9
    assert (knowing / "scope.json").stat().st_size < 600 + images.size * 4 / 3


# --------------------------------------------------------------------------------- commands


def test_many_images_have_a_column_and_the_command_line_counts_them(knowing, tmp_path, capsys):
    for name, image in {"like": cells(50), "other": 255 - cells(50)}.items():
        PIL.Image.fromarray(image).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / "like.png"), str(tmp_path / "other.png")]
    output = tmp_path / "out"
    assert main(["segment", *files, "--model", str(knowing), "--output", str(output)]) == 0
    assert (
        "1 image of 2 unlike the images this checkpoint was trained on" in capsys.readouterr().out
    )
    rows = [*csv.DictReader((output / "results.csv").open())]
    assert float(rows[0]["unlike_training"]) <= 1 < float(rows[1]["unlike_training"])


def test_a_training_writes_it_and_the_command_writes_it_again(tmp_path, capsys):
    data = write_dataset(tmp_path / "cells", {"train": 6, "validation": 2})
    train(tiny(data, tmp_path / "unet-cells", max_train_steps=2))
    folder = tmp_path / "unet-cells"
    written = json.loads((folder / "scope.json").read_text())
    assert written["images"] == 6 and written["validation"] == {"images": 2, "beyond": 0}
    assert "with the 6 training images of" in (folder / "README.md").read_text()

    foreign = tmp_path / "noise"
    foreign.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(foreign / "noise.png")
    assert main(["scope", "--model", str(folder), "--foreign", str(foreign)]) == 0
    again = json.loads((folder / "scope.json").read_text())
    assert again["examples"] == written["examples"] and again["limit"] == written["limit"]
    assert again["foreign"] == [{"name": "noise", "images": 1, "beyond": 1}]
    assert "1 of 1 of noise" in capsys.readouterr().out
    assert "1 of 1 of `noise`" in (folder / "README.md").read_text()
    few = write_dataset(tmp_path / "few", {"train": 4, "validation": 1})
    assert main(["scope", "--model", str(folder), "--dataset_name", str(few)]) == 1
    assert "There are 4 training images; to tell" in capsys.readouterr().err
    assert [found.text for found in verify(folder) if not found.ok] == []


def test_shipped_checkpoints_are_not_rewritten():
    from unet_hf.cli import scope

    with pytest.raises(ConfigError, match="not yours to change"):
        scope.run(["--model", "unet-isbi"])


@pytest.mark.parametrize(
    ("unlike", "said"),
    [(1.001, "just above the limit"), (1.06, "1.1 times the limit"), (2.3, "2.3 times the limit")],
)
def test_what_is_above_the_limit_is_never_told_as_at_it(unlike, said):
    assert over_the_limit(unlike) == said


# --------------------------------------------------------------------------------- the page


def test_the_page_says_it_and_offers_the_checkpoint_that_fits(monkeypatch):
    with gr.Blocks():
        hint = UnlikeHint()
    result = drawn(np.zeros((32, 32)))
    assert hint.show(result, "unet-nuclei") == (None, hint.nothing())
    monkeypatch.setattr(unlike, "best_fitting", lambda image, other_than: "unet-phase")
    fitting, told = hint.show(replace(result, unlike_training=2.34), "unet-nuclei")
    assert fitting == "unet-phase"
    assert told[hint.words].startswith(f"{SENTENCE} (2.3 times the limit). Living cells, phase")
    assert told[hint.use]["value"] == "Use Living cells, phase contrast"
    monkeypatch.setattr(unlike, "best_fitting", lambda image, other_than: None)
    fitting, told = hint.show(replace(result, unlike_training=2.34), "unet-nuclei")
    assert fitting is None and told[hint.use]["visible"] is False


def test_of_the_checkpoints_that_fit_the_nearest_is_offered(monkeypatch):
    near = {"unet-isbi": 0.9, "unet-nuclei": 0.7, "unet-phase": 0.2, "unet-superalloy": 1.5}
    monkeypatch.setattr(unlike, "load_model", lambda name: network(num_classes=2, title=name))
    monkeypatch.setattr(unlike, "unlike_training", lambda model, _: near[model.title])
    image = read_image(cells(0))
    assert best_fitting(image, "unet-phase") == "unet-nuclei"
    near["unet-nuclei"] = near["unet-isbi"] = 1.1
    assert best_fitting(image, "unet-phase") is None


def test_shipped_checkpoints_know_their_scope():
    for name in ("unet-isbi", "unet-nuclei", "unet-phase", "unet-superalloy"):
        model = UNet.from_pretrained(name)
        noise = read_image(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
        assert unlike_training(model, model.preprocessing.prepare(noise)) > 1
