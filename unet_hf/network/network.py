"""`Network`: the U-Net of Ronneberger, Fischer and Brox (2015, arXiv 1505.04597).

The configuration also allows the modern variant whose output has the size of its input.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from ..errors import ShapeError
from ..images.preprocessing import Preprocessing
from .configuration import checked_config
from .tiling import TileGeometry, mirrored

NORMS = {"batch": nn.BatchNorm2d, "none": nn.Identity}


class DoubleConvolution(nn.Sequential):
    """Two 3x3 convolutions, each with an optional norm and a ReLU: one step of the figure."""

    def __init__(self, in_channels: int, out_channels: int, padding: str, norm: str) -> None:
        def convolution(channels: int) -> nn.Conv2d:
            # With a norm a bias would have no effect: the norm subtracts the mean.
            return nn.Conv2d(channels, out_channels, 3, padding=padding, bias=norm == "none")

        super().__init__(
            convolution(in_channels),
            NORMS[norm](out_channels),
            nn.ReLU(inplace=True),
            convolution(out_channels),
            NORMS[norm](out_channels),
            nn.ReLU(inplace=True),
        )


def up_convolution(in_channels: int, out_channels: int, upsampling: str) -> nn.Module:
    """Doubles height and width: (B, in_channels, H, W) -> (B, out_channels, 2H, 2W)."""
    if upsampling == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    # A 1x1 convolution and interpolation commute; convolving the small map is cheaper.
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    )


class Network(nn.Module):
    """The network of the paper's figure, with the whole configuration of a prediction.

    Args:
        in_channels: Channels of the image, 1 for gray, 3 for RGB.
        num_classes: Number of classes, 2 to 256, background included.
        base_channels: Channels at full resolution; doubled at each of the `depth` poolings.
        depth: Number of poolings, 1 to 8.
        padding: "same" keeps the image's size; "valid" is the paper's, and trims the borders.
        norm: "batch" or "none", after each 3x3 convolution.
        upsampling: "transposed" (2x2 transposed convolution, the paper's) or "bilinear".
        dropout: Probability of dropping a feature at the end of the contracting path.
        id2label: Name of each class, `{"0": "membrane", "1": "cell"}`.
        colors: Colour of each class in overlays and masks, "#rrggbb".
        preprocessing: Channel names and normalisation, see `Preprocessing`. None: by each image's
            own mean and deviation, with outliers clipped; a mapping says that by itself.
        threshold: Two classes only: a pixel is class 1 where its probability exceeds this.
            None: the more probable class wins (0.5).
        tile_size: Side of the largest window shown to the network at once, in pixels.
        title: What people call this checkpoint, e.g. "Cell nuclei".
        objects: How `Segmentation.objects` finds objects by default, e.g.
            `{"method": "watershed", "min_size": 20}`.
        object_outputs: What the network tells of each pixel beside its class, so that touching
            objects can be parted, e.g. `{"version": 1, "channels": ["distance"]}`; see
            `object_channels`. None: nothing.
        max_channels: Channels are doubled only up to this number, so that a deep network stays
            small. None: at each pooling.
        tracking: Options of `unet_hf.tracking.link` that `track` goes by where none are given,
            `{"divisions": 0.02}`: how often cells divide in such films. None: those of `link`.

    Raises:
        ConfigError: An option is not usable; the message says what would be.

    Example:
        >>> import torch
        >>> Network(in_channels=3, num_classes=5)(torch.zeros(1, 3, 100, 130)).shape
        torch.Size([1, 5, 100, 130])
    """

    # The `engine.calibration.Calibration` that `precision="int8"` needs. It is not part of the
    # configuration, as it is invalid when the weights change.
    calibration: Any = None
    # The `engine.scope.Scope` of the training images; not part of the configuration either.
    scope: Any = None

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        *,
        base_channels: int = 16,
        depth: int = 4,
        padding: str = "same",
        norm: str = "batch",
        upsampling: str = "transposed",
        dropout: float = 0.0,
        id2label: dict[str, str] | None = None,
        colors: list[str] | None = None,
        preprocessing: dict[str, Any] | None = None,
        threshold: float | None = None,
        tile_size: int = 1024,
        title: str | None = None,
        objects: dict[str, Any] | None = None,
        object_outputs: dict[str, Any] | None = None,
        max_channels: int | None = None,
        tracking: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = checked_config(
            {
                "in_channels": in_channels,
                "num_classes": num_classes,
                "base_channels": base_channels,
                "depth": depth,
                "padding": padding,
                "norm": norm,
                "upsampling": upsampling,
                "dropout": dropout,
                "id2label": id2label,
                "colors": colors,
                "preprocessing": preprocessing,
                "threshold": threshold,
                "tile_size": tile_size,
                "title": title,
                "objects": objects,
                "object_outputs": object_outputs,
                "max_channels": max_channels,
                "tracking": tracking,
            }
        )

        *levels, bottom = self.widths  # 64 128 256 512 1024
        self.contracting = nn.ModuleList(
            DoubleConvolution(before, after, padding, norm)
            for before, after in zip([in_channels, *levels], levels, strict=False)
        )
        self.pooling = nn.MaxPool2d(2)
        self.bottleneck = DoubleConvolution(levels[-1], bottom, padding, norm)
        self.dropout = nn.Dropout(dropout)
        self.up_convolutions = nn.ModuleList(
            up_convolution(below, width, upsampling)
            for width, below in zip(reversed(levels), reversed(self.widths), strict=False)
        )
        self.expansive = nn.ModuleList(
            DoubleConvolution(2 * width, width, padding, norm) for width in reversed(levels)
        )
        self.head = nn.Conv2d(base_channels, num_classes, 1)
        # None is registered as no module, so that other checkpoints have the same tensors as ever.
        asked = len(self.object_channels)
        self.object_head = nn.Conv2d(base_channels, asked, 1) if asked else None
        self.reset_parameters()
        # CPU kernels are fast in channels last. This layout also makes tiles equal the whole image
        # to the bit: in the other one, oneDNN's choice of kernel depends on the batch.
        self.to(memory_format=torch.channels_last)

    def settled_threshold(self, threshold: float | str | None) -> float | str | None:
        """Returns the number that a threshold's name stands for; all else, and for a network that
        is no checkpoint names, too, stay."""
        return threshold

    @classmethod
    def paper(cls, in_channels: int = 1, num_classes: int = 2, **options: Any) -> Self:
        """Builds the network of 2015: 572 x 572 in, 388 x 388 out, 31,030,658 parameters."""
        paper = {
            "base_channels": 64,
            "depth": 4,
            "padding": "valid",
            "norm": "none",
            "upsampling": "transposed",
            "dropout": 0.5,
            "tile_size": 572,
        }
        return cls(in_channels, num_classes, **(paper | options))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws Gaussian weights of std sqrt(2 / N), N the inputs of a neuron (section 3)."""
        if self.head.weight.is_meta:  # without memory, as weights will be loaded
            return
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                # A 2x2 transposed kernel of stride 2 has one tap per channel for each output pixel.
                taps = module.kernel_size[0] ** 2 if isinstance(module, nn.Conv2d) else 1
                nn.init.normal_(module.weight, std=(2 / (module.in_channels * taps)) ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, *, objects: bool = False) -> Tensor:
        """Computes class logits for a batch of normalised images.

        Args:
            image: (B, in_channels, H, W) float. "same": any H and W. "valid": sizes that give
                every pooling an even input (572, 588, 604 ... at depth 4).
            objects: Also returns the maps of `object_channels`, in channels after the classes.

        Returns:
            Logits. "same": (B, num_classes, H, W). "valid": smaller by twice `geometry.halo`.

        Raises:
            ShapeError: The shape does not fit; the message names the nearest sizes that do.
        """
        self._check_shape(image)
        height, width = image.shape[-2:]
        x = self._mirror_to_grid(image)  # comments below: the paper's 572 px, 64 channels

        skips = []
        for convolutions in self.contracting:
            skips.append(convolutions(x))  # (B, 64, 568, 568) ... (B, 512, 64, 64)
            x = self.pooling(skips[-1])  # (B, 64, 284, 284) ... (B, 512, 32, 32)

        x = self.dropout(self.bottleneck(x))  # (B, 1024, 28, 28)

        for up, convolutions in zip(self.up_convolutions, self.expansive, strict=True):
            x = up(x)  # (B, 512, 56, 56) ... (B, 64, 392, 392)
            skip = center_crop(skips.pop(), x.shape[-2:])  # same shape as x
            x = convolutions(torch.cat([skip, x], dim=1))  # (B, 512, 52, 52) ... (B, 64, 388, 388)

        logits = self.head(x)  # (B, num_classes, 388, 388)
        if objects and self.object_head is not None:
            logits = torch.cat([logits, self.object_head(x)], dim=1)
        return logits[..., :height, :width]  # "same": the mirrored margin is cut off again

    def _check_shape(self, image: Tensor) -> None:
        channels = self.config["in_channels"]
        if image.ndim != 4 or image.shape[1] != channels:
            raise ShapeError(
                f"The network takes (batch, {channels}, height, width), but the tensor has the "
                f"shape {tuple(image.shape)}. `model.segment(image)` prepares any image."
            )
        for side in image.shape[-2:]:
            if not self.geometry.accepts(side):
                larger = self.geometry.input_size(max(1, side - 2 * self.geometry.halo))
                smaller = larger - self.geometry.multiple
                near = f"{smaller} and {larger}" if self.geometry.accepts(smaller) else f"{larger}"
                raise ShapeError(
                    f"A side of {side} px does not pass {self.config['depth']} poolings without "
                    f"padding. The nearest that do: {near}. `model.segment(image)` takes any size."
                )

    def _mirror_to_grid(self, image: Tensor) -> Tensor:
        """Extends a same-padded network's input to whole multiples of the pooling grid."""
        if self.config["padding"] == "valid":
            return image
        for axis in (-2, -1):
            size = image.shape[axis]
            padded = self.geometry.input_size(size)
            if padded != size:
                indices = torch.from_numpy(mirrored(0, padded, size)).to(image.device)
                image = image.index_select(axis, indices)
        return image

    @classmethod
    def option_names(cls) -> list[str]:
        """Returns the names of all options: the keys of a complete `config.json`."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    @property
    def widths(self) -> list[int]:
        """Channels at each level, from full resolution to the bottleneck: depth + 1 numbers."""
        base, most = self.config["base_channels"], self.config.get("max_channels")
        doubled = [base * 2**level for level in range(self.config["depth"] + 1)]
        return [min(width, most or width) for width in doubled]

    @property
    def geometry(self) -> TileGeometry:
        """The sizes, margins and tiles of this network's windows."""
        config = self.config
        return TileGeometry(config["depth"], config["padding"], config["upsampling"])

    @property
    def preprocessing(self) -> Preprocessing:
        """How this network's images are scaled and normalised."""
        return Preprocessing.from_config(self.config["preprocessing"], self.config["in_channels"])

    @property
    def threshold(self) -> float | None:
        """The probability above which a pixel is class 1, by default 0.5.

        None with more than two classes: there the most probable class wins.
        """
        if self.config["num_classes"] > 2:
            return None
        return 0.5 if self.config["threshold"] is None else self.config["threshold"]

    @property
    def title(self) -> str:
        """What people call this checkpoint, e.g. "Cell nuclei"; empty if it has no such name."""
        return self.config.get("title", "")

    @property
    def object_channels(self) -> tuple[str, ...]:
        """What the network tells of each pixel beside its class; empty if nothing.

        "distance": how far the pixel is from the edge of its own object, divided by the largest
        such distance in the object: 1 at its deepest, 0 at the edge and outside. "centre": 1 at
        the object's centroid, 0 at its farthest pixel and outside. "border": the logit of the
        probability that two objects are at most 2.5 px away.
        """
        return tuple(self.config.get("object_outputs", {}).get("channels", ()))

    @property
    def walled(self) -> bool:
        """Whether walls keep the objects apart: a thin class of their own, such as membranes.

        Then gaps in the walls are closed when objects are parted, see `height_map`.
        """
        return self.config.get("object_outputs", {}).get("walled", False)

    @property
    def id2label(self) -> dict[int, str]:
        """The name of each class, by class id."""
        return {int(key): name for key, name in self.config["id2label"].items()}

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return self.head.weight.device


def center_crop(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Crops a feature map to its middle: (B, C, H, W) -> (B, C, *size). A no-op for equal sizes."""
    top = (features.shape[-2] - size[0]) // 2
    left = (features.shape[-1] - size[1]) // 2
    return features[..., top : top + size[0], left : left + size[1]]
