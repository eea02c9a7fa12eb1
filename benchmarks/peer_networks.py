"""U-Nets that people use today, restated from their public layer lists.

Only what a forward pass needs, in our own words: their names of layers, options and weights are
not here. Each keeps the operations and their order that the original has, and so its parameters
and its arithmetic; a test counts both. All take any height and width on their pooling grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class MilesialUNet(nn.Module):
    """github.com/milesial/Pytorch-UNet (GPL-3.0), `UNet(n_channels, n_classes)`.

    The paper's layer list with padding, and batch norm after each 3x3 convolution.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 2) -> None:
        super().__init__()
        widths = (64, 128, 256, 512, 1024)
        self.down = nn.ModuleList(
            two_batch_normed(before, after)
            for before, after in zip((in_channels, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1]
        )
        self.merge = nn.ModuleList(two_batch_normed(2 * width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, num_classes, H, W); H and W are multiples of 16."""
        skips = [self.down[0](image)]
        for down in self.down[1:]:
            skips.append(down(functional.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            # The original pads to the skip's size, here by nothing: that, too, is a copy.
            x = functional.pad(up(x), (0, 0, 0, 0))
            x = merge(torch.cat([skips.pop(), x], dim=1))
        return self.head(x)


class NNUNet(nn.Module):
    """github.com/MIC-DKFZ/nnUNet (Apache-2.0), as it is usually planned for images of 512 px.

    The `PlainConvUNet` of github.com/MIC-DKFZ/dynamic-network-architectures (Apache-2.0): seven
    times half the size, by strided convolutions; instance norm and leaky ReLU.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 2) -> None:
        super().__init__()
        widths = (32, 64, 128, 256, 512, 512, 512, 512)
        self.down = nn.ModuleList(
            two_instance_normed(before, after, stride=1 if level == 0 else 2)
            for level, (before, after) in enumerate(
                zip((in_channels, *widths), widths, strict=False)
            )
        )
        upwards = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, width, 2, stride=2) for below, width in upwards
        )
        self.merge = nn.ModuleList(two_instance_normed(2 * width, width) for _, width in upwards)
        # Training looks at the logits of every size; a prediction only at the last, the largest.
        self.heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _, width in upwards)

    def forward(self, image: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, num_classes, H, W); H and W: 256, 384, 512 ..."""
        skips = [image]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), skips.pop()], dim=1))
        return self.heads[-1](x)


class ResNet34UNet(nn.Module):
    """github.com/qubvel-org/segmentation_models.pytorch (MIT), `smp.Unet("resnet34")`.

    Its encoder is torchvision's ResNet-34 (BSD-3-Clause) without the classifier.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        self.pooling = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            [
                residual_stage(64, 64, blocks=3, stride=1),
                residual_stage(64, 128, blocks=4, stride=2),
                residual_stage(128, 256, blocks=6, stride=2),
                residual_stage(256, 512, blocks=3, stride=2),
            ]
        )
        self.merge = nn.ModuleList(
            [
                two_batch_normed(512 + 256, 256),
                two_batch_normed(256 + 128, 128),
                two_batch_normed(128 + 64, 64),
                two_batch_normed(64 + 64, 32),
                two_batch_normed(32, 16),  # at full size there is no skip
            ]
        )
        self.head = nn.Conv2d(16, num_classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, num_classes, H, W); H and W are multiples of 32."""
        skips = [self.stem(image)]  # of half the size
        x = self.pooling(skips[0])
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        x = skips.pop()
        for merge in self.merge:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            if skips:
                x = torch.cat([x, skips.pop()], dim=1)
            x = merge(x)
        return self.head(x)


class Residual(nn.Module):
    """Two 3x3 convolutions, and what goes past them: ResNet's basic block."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        first, norm, relu, second, last_norm, _ = two_batch_normed(before, after, stride)
        self.convolutions = nn.Sequential(first, norm, relu, second, last_norm)
        self.past: nn.Module = nn.Identity()
        if stride > 1:
            self.past = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu_(self.convolutions(x) + self.past(x))


def residual_stage(before: int, after: int, *, blocks: int, stride: int) -> nn.Sequential:
    """The first block changes the size and the channels."""
    others = (Residual(after, after, 1) for _ in range(blocks - 1))
    return nn.Sequential(Residual(before, after, stride), *others)


def two_batch_normed(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """3x3, batch norm, ReLU, twice; the stride is the first one's."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def two_instance_normed(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """3x3, instance norm, leaky ReLU, twice; the stride is the first one's."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1),
        nn.InstanceNorm2d(after, affine=True),
        nn.LeakyReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.InstanceNorm2d(after, affine=True),
        nn.LeakyReLU(inplace=True),
    )
