"""`teach`: a checkpoint learns from a few strokes on somebody's images."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, how_to_install
from .images.reading import ImageSource
from .unet import UNet

if TYPE_CHECKING:
    from train.teaching.teach import Taught


def teach(
    model: UNet,
    painted: Sequence[tuple[ImageSource, Any]],
    *,
    seconds: float = 60.0,
    classes: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> "Taught":
    """Fine-tunes a copy of a checkpoint on strokes, as the demo does.

    Args:
        model: The checkpoint to begin with; it is not changed.
        painted: An image, as `UNet.segment` takes it, and what is painted on it: (H, W) uint8
            with a class id where something is painted and 255 elsewhere, or a list of strokes
            `{"class": 1, "radius": 20, "points": [x0, y0, x1, y1, ...]}` in quarters of a pixel,
            as `strokes.json` of the demo has them.
        seconds: It takes about so long at most, on whatever machine.
        classes: Names of the classes; None: the checkpoint's. If they begin with the checkpoint's
            own, those that follow are added; otherwise the last layer is made anew.
        colors: "#rrggbb" of each class.
        seed: Of the random crops, and of the strokes that are kept aside.
        progress: Called as `progress(step, steps, loss)` after each step. What it raises ends the
            teaching.

    Returns:
        `model`, the taught `UNet`; `judgement`, what the strokes that were kept aside say of it,
        in `judgement.words`; `before` and `after`, what both say of each image.

    Raises:
        ConfigError: Nothing is painted, or something in it cannot be read; the message says what.
        ImageError: An image cannot be read or does not fit.
    """
    try:
        from train.teaching.teach import teach as really_teach
    except ImportError as error:
        raise ConfigError(f"Teaching needs {error.name}. {how_to_install('train')}") from error
    return really_teach(
        model,
        painted,
        seconds=seconds,
        classes=classes,
        colors=colors,
        seed=seed,
        progress=progress,
    )
