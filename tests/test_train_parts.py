"""Small parts of a training: what it shows, waits for, and leaves as it was given."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from accelerate.utils import InitProcessGroupKwargs

from train import loop
from train.config import TrainingConfig
from train.report import write_samples
from unet_hf import UNet
from unet_hf.data.pairs import Pair
from unet_hf.images.reading import read_image


class ReachedError(Exception):
    """The training got to the part that is looked at."""


def test_no_process_gives_up_while_the_first_one_evaluates(tmp_path, monkeypatch):
    """Accelerate's own timeout is ten minutes on several GPUs; an evaluation may take longer."""
    seen = {}

    def accelerator(**options):
        seen.update(options)
        raise ReachedError

    monkeypatch.setattr(loop, "Accelerator", accelerator)
    with pytest.raises(ReachedError):
        loop.train(TrainingConfig(dataset_name="x", output_dir=str(tmp_path / "out")))
    (handler,) = seen["kwargs_handlers"]
    assert isinstance(handler, InitProcessGroupKwargs)
    assert handler.timeout >= timedelta(days=1)


def pair(height: int, width: int) -> Pair:
    image = read_image(np.random.default_rng(0).integers(0, 200, (height, width), np.uint8))
    return Pair("x", image, np.zeros((height, width), np.uint8), None, {})


@pytest.mark.parametrize("widths", [(300, 100), (100, 300)])
def test_the_sample_picture_shows_every_prediction_whole(widths, tmp_path: Path):
    model = UNet(base_channels=1, depth=1).eval()
    pairs = [pair(40, width) for width in widths]
    write_samples(tmp_path / "samples" / "step.png", model, pairs)
    picture = np.asarray(PIL.Image.open(tmp_path / "samples" / "step.png"))
    assert picture.shape == (80, 3 * 300, 3)
    for row, (one, width) in enumerate(zip(pairs, widths, strict=True)):
        predicted = np.asarray(model.segment(one.image).overlay(0.5).convert("RGB"))
        shown = picture[40 * row : 40 * row + 40]
        assert np.array_equal(shown[:, 2 * width : 3 * width], predicted)
        assert (shown[:, 3 * width :] == 255).all()
