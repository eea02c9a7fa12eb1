"""The pixel classifier that the U-Net beat (Ciresan et al. 2012, "Deep neural networks segment
neuronal membranes in electron microscopy images"), restated.

A small network looks at the window around a pixel and says the class of this pixel. Trained on as
many windows of each class, turned and mirrored; its probabilities are then corrected to the true
shares of the classes, and smoothed by a median as in the paper (2 px). Left out: foveation, and the
mean of several networks. ReLU and Adam take the place of tanh and plain gradient descent.

For the scores all windows of an image are computed at once, which gives the same numbers (dilated
convolutions, Li et al. 2014). The time of a slice is that of window by window, as in the paper.
"""

import time

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn

from .task import Example, Task
from .training import train_network

BATCH, RATE = 128, 1e-3
TIMED = 2048  # windows that the time of a slice is measured with
SLICE = 512 * 512  # pixels
# Sides of the convolutions, each with 48 maps and a pooling behind it. For 95 px it is table 1 of
# the paper; for 65 px, of which it has no table, the same with one pair less.
KERNELS = {65: (4, 4, 5), 95: (4, 5, 4, 4)}
LAST = {65: 5, 95: 3}  # side of the maps behind the last pooling


def build_network(side: int, channels: int, classes: int) -> nn.Sequential:
    """A window (B, channels, side, side) -> (B, classes, 1, 1)."""
    layers: list[nn.Module] = []
    for index, kernel in enumerate(KERNELS[side]):
        layers += [nn.Conv2d(48 if index else channels, 48, kernel), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(48, 200, LAST[side]), nn.ReLU(), nn.Conv2d(200, classes, 1)]
    return nn.Sequential(*layers)


def dense(network: nn.Sequential, image: Tensor) -> Tensor:
    """The answers for every window in an image, (B, C, H, W), without padding.

    Each pooling moves by one pixel instead of two, and what follows looks at every second one.
    """
    spread = 1
    for layer in network:
        if isinstance(layer, nn.MaxPool2d):
            image = nn.functional.max_pool2d(image, 2, stride=1, dilation=spread)
            spread *= 2
        elif isinstance(layer, nn.Conv2d):
            image = nn.functional.conv2d(image, layer.weight, layer.bias, dilation=spread)
        else:
            image = layer(image)
    return image


class Windows:
    """Draws windows, as many of each class as of every other."""

    def __init__(self, examples: list[Example], side: int, classes: int, seed: int) -> None:
        self.side, self.random = side, np.random.default_rng(seed)
        self.images = [mirrored(example.normalized(), side) for example in examples]
        labels = [example.label for example in examples]
        self.places = [
            np.concatenate(
                [
                    np.insert(np.argwhere(label == index), 0, number, axis=1)
                    for number, label in enumerate(labels)
                ]
            )
            for index in range(classes)
        ]
        counts = np.array([len(places) for places in self.places])
        self.shares = counts / counts.sum()
        self.classes = np.flatnonzero(counts)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Windows (BATCH, C, side, side) and the classes of their middle pixels (BATCH,)."""
        classes = self.random.choice(self.classes, BATCH)
        windows = [self._one(index) for index in classes]
        return torch.from_numpy(np.stack(windows)), torch.from_numpy(classes)

    def _one(self, index: int) -> np.ndarray:
        number, row, column = self.places[index][self.random.integers(len(self.places[index]))]
        window = self.images[number][:, row : row + self.side, column : column + self.side]
        window = np.rot90(window, self.random.integers(4), (1, 2))
        return np.ascontiguousarray(window[..., ::-1] if self.random.integers(2) else window)


def mirrored(image: np.ndarray, side: int) -> np.ndarray:
    """Mirrors an image (C, H, W) at its edges so that each pixel has its window."""
    return np.pad(image, [(0, 0), (side // 2, side // 2), (side // 2, side // 2)], "symmetric")


def main() -> None:
    task = Task.from_command_line()
    side = task.options["side"]
    network = build_network(side, task.facts["channels"], task.num_classes)
    windows = Windows(list(task.split("train")), side, task.num_classes, task.seed)
    optimizer = torch.optim.Adam(network.parameters(), RATE)

    def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits[..., 0, 0], classes)

    def rate(spent: float) -> float:
        return RATE * (1 - spent)

    notes = {"patch": [side, side], "batch": BATCH}
    train_network(task, network, optimizer, windows.draw, loss_of, rate, **notes)
    task.note(slice_seconds=slice_seconds(network, side, task.facts["channels"]))
    shares = torch.from_numpy(windows.shares).float()[:, None, None]

    @torch.inference_mode()
    def probabilities(example: Example) -> np.ndarray:
        image = torch.from_numpy(mirrored(example.normalized(), side))[None]
        weighed = dense(network, image).softmax(1)[0] * shares
        found = (weighed / weighed.sum(0)).numpy()
        return median_filter(found, size=(1, 5, 5))

    task.predict(probabilities)


@torch.inference_mode()
def slice_seconds(network: nn.Module, side: int, channels: int) -> float:
    """Seconds of 512 x 512 pixels window by window, from those of `TIMED` windows."""
    batch = torch.randn(BATCH, channels, side, side)
    network(batch)
    started = time.perf_counter()
    for _ in range(TIMED // BATCH):
        network(batch)
    return round((time.perf_counter() - started) * SLICE / TIMED, 1)


if __name__ == "__main__":
    main()
