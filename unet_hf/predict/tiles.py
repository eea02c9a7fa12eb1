"""`predict_tiles`: the one loop that all predictions run through, tile by tile.

The caller stores the pixels: in arrays (`segment`) or in files (`large.segment_large`).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.backend import logits_function
from ..engine.precision import checked_precision
from ..errors import ConfigError
from ..images.preprocessing import PreparedImage
from ..network.network import Network
from ..network.tiling import Tile, read_window
from .decision import decide
from .progress import TileProgress
from .tta import LogitsFunction, WindowPrediction, WindowPredictor, window_predictor


@dataclass(frozen=True, eq=False)
class TilePrediction:
    """The prediction of a tile, without the margins that its window had.

    probabilities: (classes, h, w) float32. mask: (h, w) uint8 class ids. object_maps: (n, h, w)
    float32, one for each of the network's `object_channels`. uncertainty: (h, w) float32, with
    test-time augmentation. All are 0 where the image holds no data.
    """

    tile: Tile
    probabilities: np.ndarray
    mask: np.ndarray
    object_maps: np.ndarray
    uncertainty: np.ndarray | None


def predict_tiles(
    model: Network,
    prepared: PreparedImage,
    tiles: Sequence[Tile],
    *,
    threshold: float | None,
    precision: str,
    tta: bool,
    tile_size: int,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
    done: int = 0,
) -> Iterator[TilePrediction]:
    """Predicts tiles of an image in their order.

    Args:
        threshold: Two classes only: the probability above which a pixel is class 1.
        precision: As `checked_precision` returns it.
        tile_size: Side of the largest window, px.
        whole: See `Engine.__call__`; with a single tile only.
        progress: Called as `progress(done, total)` when the caller asks for the next tile, that is
            when it has stored the last one. What it raises ends the prediction.
        done: Number of tiles that an earlier run has finished; they are not among `tiles`.

    Raises:
        PrecisionError: The network's values exceed what float16 can hold.
        CalibrationError: int8 was asked of a network that is not calibrated for it.
    """
    tile_progress = TileProgress(progress, done + len(tiles), done)
    compute_logits = logits_function(model, precision)

    def logits(image: Tensor) -> Tensor:
        return compute_logits(image, tile_progress.between_layers, whole=whole)

    classes = model.config["num_classes"]
    predict_window = RepeatingBlanks(window_predictor(tta, model.device, tile_size, classes))
    for tile in tiles:
        # Within the loop, so that a caller that fails does not leave the model in evaluation mode.
        with torch.inference_mode(), evaluation_mode(model):
            window = predict_window(logits, read_window(prepared, tile))
        y, x = tile.crop
        rows = slice(y, y + tile.rows.stop - tile.rows.start)
        columns = slice(x, x + tile.columns.stop - tile.columns.start)
        core, maps, uncertainty = (
            None if values is None else values[..., rows, columns] for values in window
        )
        valid = prepared.valid(tile.rows, tile.columns)
        if valid is not None:  # copies, as the windows may be repeated
            core, maps = core * valid, maps * valid
            uncertainty = None if uncertainty is None else uncertainty * valid
        yield TilePrediction(tile, core, decide(core, threshold), maps, uncertainty)
        tile_progress.step()


def put_together(
    parts: Iterable[TilePrediction], height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns probabilities, mask, object maps and uncertainty of an image of this size, in pixels.

    A tile that is all of the image is not copied.
    """
    arrays: tuple[np.ndarray | None, ...] = ()
    for part in parts:
        values = part.probabilities, part.mask, part.object_maps, part.uncertainty
        if part.mask.shape == (height, width):
            arrays = tuple(None if v is None else np.ascontiguousarray(v) for v in values)
            continue
        if not arrays:
            arrays = tuple(
                None if v is None else np.empty((*v.shape[:-2], height, width), v.dtype)
                for v in values
            )
        for array, value in zip(arrays, values, strict=True):
            if array is not None:
                array[..., part.tile.rows, part.tile.columns] = value
    return arrays


class RepeatingBlanks:
    """Predicts windows, and repeats the last prediction for a blank window that is the same.

    Slides have much background: windows of one single colour. Two of them with the same size and
    colour have the same prediction.
    """

    def __init__(self, predict_window: WindowPredictor) -> None:
        self._predict_window = predict_window
        self._key: Any = None
        self._prediction: WindowPrediction | None = None

    def __call__(self, logits: LogitsFunction, window: Tensor) -> WindowPrediction:
        color = window[:, 0, 0]
        if not torch.equal(window, color[:, None, None].expand_as(window)):
            return self._predict_window(logits, window)
        key = (window.shape, tuple(color.tolist()))
        if self._key != key:
            self._prediction, self._key = self._predict_window(logits, window), key
        return self._prediction


@contextlib.contextmanager
def evaluation_mode(model: Network) -> Iterator[None]:
    """Puts a network into evaluation mode, and finally each module back into its own mode.

    `model.train(True)` at the end would also train batch norms that the caller has frozen.
    """
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def precisions_to_try(precision: str, device: torch.device) -> list[str]:
    """Returns the precision that is meant, followed by float32 if "auto" chose float16.

    float16 may overflow, and then the prediction is repeated.

    Raises:
        ConfigError: `precision` is not usable on this device, or the device holds no weights.
    """
    if device.type == "meta":
        raise ConfigError(
            "The network is on PyTorch's meta device, which holds shapes and no weights. Load the "
            "checkpoint with UNet.from_pretrained, and move it to 'cpu' or 'cuda'."
        )
    chosen = checked_precision(precision, device)
    return [chosen, "float32"] if (precision, chosen) == ("auto", "float16") else [chosen]
