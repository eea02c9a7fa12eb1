"""What `UNet.track` says of films and options that are not usable."""

import numpy as np
import pytest

from unet_hf import UNet
from unet_hf.errors import ConfigError, NonFiniteImageError

FILM = np.zeros((3, 32, 32), np.float32)


@pytest.fixture
def model() -> UNet:
    return UNet(num_classes=2, base_channels=2, depth=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"linking": {"division": 0}}, "linking has no option division; there are divisions,"),
        ({"linking": {"progress": print}}, "linking has no option progress"),
        ({"linking": 7}, "linking=7 is not a mapping"),
        ({"objects": {"minsize": 3}}, "objects has no option minsize; there are classes,"),
        ({"objects": [3]}, "objects=.3. is not a mapping"),
    ],
)
def test_an_option_that_there_is_not_is_named_before_anything_is_done(
    model, tmp_path, options, words
):
    with pytest.raises(ConfigError, match=words):
        model.track(FILM, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("value", "words"), [(np.nan, "holds no data"), (np.inf, "infinite")])
def test_a_frame_that_is_not_usable_is_named(model, value, words):
    film = FILM.copy()
    film[1] = value
    with pytest.raises(NonFiniteImageError, match=f"^Frame 1: .*{words}"):
        model.track(film)
