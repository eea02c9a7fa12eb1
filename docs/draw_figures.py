"""Draws the figures of how-it-works.md into docs/images, with this repository's own code.

    python -m docs.draw_figures

Nothing in them is drawn by hand: the tiles are those of a plan, the weights and targets are those
that a training computes, the maps are what `unet-nuclei` says of a drawn image, and the network's
sizes are those of its feature maps. The same code draws the same files. All have a white ground,
so that they can be read on a dark page, too.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import torch

from demo.synthetic import Drawing, electron_micrograph, fluorescence_nuclei
from demo.viewer.color_maps import shades_of
from demo.viewer.object_layer import PALETTE, object_hues
from train.crops.border_weights import border_weights
from unet_hf import UNet
from unet_hf.network.network import Network
from unet_hf.network.tiling import mirrored
from unet_hf.objects.learned import height_map
from unet_hf.predict.overlay import color_table

IMAGES = Path(__file__).parent / "images"
INK, PALE, BLUE, ORANGE = "#1f2328", "#6e7781", "#0072b2", "#d55e00"  # for any colour vision
GAP, LINE = 12, 24  # px between panels, and for a line of text
FONT = PIL.ImageFont.load_default(15)


def gray(values: np.ndarray) -> PIL.Image.Image:
    """(H, W), any range, to a gray picture from its darkest to its brightest half per mille."""
    low, high = np.percentile(values, (0.05, 99.95))
    return PIL.Image.fromarray(np.uint8(255 * np.clip((values - low) / (high - low), 0, 1)), "L")


def heat(values: np.ndarray, top: float, name: str = "Viridis") -> PIL.Image.Image:
    """(H, W) from 0 to `top` in the colours of a map of the page."""
    shades = shades_of(name)
    places = np.clip(values / top, 0, 1) * (len(shades) - 1)
    return PIL.Image.fromarray(np.uint8(shades[np.rint(places).astype(int)]))


def numbered(ids: np.ndarray) -> PIL.Image.Image:
    """(H, W) ids of objects, neighbours in different colours, on black."""
    ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int32)
    colors = np.concatenate([np.zeros((1, 3), np.uint8), color_table(PALETTE)[object_hues(ids)]])
    return PIL.Image.fromarray(colors[ids].astype(np.uint8))


def row(panels: dict[str, PIL.Image.Image], scale: int) -> PIL.Image.Image:
    """Pictures of one height side by side, each enlarged without smoothing, its name above it."""
    large = [
        one.convert("RGB").resize((one.width * scale, one.height * scale), 0)
        for one in panels.values()
    ]
    width = sum(one.width for one in large) + GAP * (len(large) + 1)
    sheet = PIL.Image.new("RGB", (width, large[0].height + LINE + GAP), "white")
    pen, left = PIL.ImageDraw.Draw(sheet), GAP
    for name, one in zip(panels, large, strict=True):
        pen.text((left, 4), name, INK, FONT)
        sheet.paste(one, (left, LINE))
        left += one.width + GAP
    return sheet


def tiling() -> PIL.Image.Image:
    """The paper's figure 2: the tiles of an image, and what the network sees for one of them."""
    size, geometry = 512, Network.paper().geometry
    image = electron_micrograph(size, seed=2).image
    tiles = geometry.plan(size, size, tile_size=572)
    halo = geometry.halo
    around = mirrored(-halo, size + halo, size)
    sheet = gray(image[np.ix_(around, around)]).convert("RGB")
    outside = np.ones((sheet.height, sheet.width), bool)
    outside[halo:-halo, halo:-halo] = False
    pixels = np.asarray(sheet).copy()
    pixels[outside] = 120 + pixels[outside] // 2  # pale: it is a mirror image
    sheet = PIL.Image.fromarray(pixels)
    pen = PIL.ImageDraw.Draw(sheet)
    for tile in tiles:
        box = (tile.columns.start, tile.rows.start, tile.columns.stop, tile.rows.stop)
        pen.rectangle([halo + side for side in box], outline="white", width=2)
    tile = tiles[0]
    top, bottom, left, right = tile.window
    pen.rectangle([halo + side for side in (left, top, right, bottom)], outline=BLUE, width=6)
    box = (tile.columns.start, tile.rows.start, tile.columns.stop, tile.rows.stop)
    pen.rectangle([halo + side for side in box], outline=ORANGE, width=6)
    return sheet.resize((sheet.width // 2, sheet.height // 2), PIL.Image.Resampling.BOX)


def touching_nuclei() -> Drawing:
    """Draws nuclei of which many touch, (256, 256)."""
    return fluorescence_nuclei(256, 45, seed=1)


def cut(values: np.ndarray) -> np.ndarray:
    """Cuts out the window of `touching_nuclei` that is shown, (128, 128)."""
    return values[128:, 30:158]


def weights() -> PIL.Image.Image:
    """The paper's figure 3: an image, its objects, and the weight of each pixel of the ground."""
    drawing = touching_nuclei()
    panels = {
        "image": gray(cut(drawing.image)),
        "numbered objects": numbered(cut(drawing.instances)),
        "border weight, 0 to 10": heat(cut(border_weights(drawing.instances)), 10, "Inferno"),
    }
    return row(panels, 2)


def parting() -> PIL.Image.Image:
    """From what a network says of each pixel to the objects."""
    image = touching_nuclei().image
    result = UNet.from_pretrained("unet-nuclei").segment(image, axes="YX", precision="float32")
    channels, maps = list(result.object_channels), result.object_maps
    border = 1 / (1 + np.exp(-maps[channels.index("border")]))
    height = np.where(result.mask > 0, height_map(maps, channels), 0)
    panels = {
        "image": gray(cut(image)),
        "probability of nucleus": heat(cut(result.probabilities[1]), 1),
        "distance": heat(cut(maps[channels.index("distance")]), 1),
        "border": heat(cut(border), 1),
        "height, in the mask": heat(cut(height), 1),
        "objects": numbered(cut(result.objects().instances())),
    }
    names = list(panels)
    rows = [row({name: panels[name] for name in some}, 2) for some in (names[:3], names[3:])]
    sheet = PIL.Image.new("RGB", (rows[0].width, 2 * rows[0].height), "white")
    for index, one in enumerate(rows):
        sheet.paste(one, (0, index * one.height))
    return sheet


def shapes_of_paper() -> list[tuple[int, int]]:
    """Channels and side after each of the network's nine pairs of convolutions, for 572 pixels."""
    with torch.device("meta"):  # shapes alone, no weights
        network = Network.paper()
        shapes: list[tuple[int, int]] = []
        for part in [*network.contracting, network.bottleneck, *network.expansive]:
            part.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:3])))
        network(torch.zeros(1, 1, 572, 572))
    return shapes


def network() -> str:
    """The paper's figure 1 as SVG: a box for each pair of convolutions, as high as its map."""
    shapes = shapes_of_paper()
    depth = len(shapes) // 2
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 400" font-size="14" '
        'font-family="sans-serif" role="img">',
        "<title>The U-Net: four poolings down, four up-convolutions up, with a copy across at "
        "each level</title>",
        '<rect width="880" height="400" rx="8" fill="white"/>',
    ]
    middles = []
    for index, (channels, side) in enumerate(shapes):
        level = depth - abs(depth - index)
        x, y = 60 + 92 * index, 60 + 66 * level
        middles.append((x, y))
        parts.append(
            f'<rect x="{x - 28}" y="{y - 16}" width="56" height="32" rx="4" fill="#dbeafe" '
            f'stroke="{BLUE}"/><text x="{x}" y="{y + 5}" text-anchor="middle" fill="{INK}">'
            f"{channels}</text>"
            f'<text x="{x}" y="{y - 22}" text-anchor="middle" fill="{INK}" font-size="12">'
            f"{side}²</text>"
        )
    for index, ((x, y), (after_x, after_y)) in enumerate(pairwise(middles)):
        color, down = (ORANGE, 1) if index < depth else (BLUE, -1)
        parts.append(
            f'<path d="M{x + 30} {y + 8 * down} L{after_x - 30} {after_y - 8 * down}" '
            f'stroke="{color}" stroke-width="2"/>'
        )
    for level in range(depth):
        (x, y), (other, _) = middles[level], middles[-1 - level]
        parts.append(
            f'<path d="M{x + 30} {y} H{other - 32}" stroke="{PALE}" stroke-width="2" '
            'stroke-dasharray="5 4"/>'
        )
    legend = [
        (ORANGE, "none", "2x2 max pooling"),
        (BLUE, "none", "2x2 up-convolution"),
        (PALE, "5 4", "copied, cropped and put beside"),
    ]
    for index, (color, dashes, words) in enumerate(legend):
        x = 40 + 200 * index
        parts.append(
            f'<path d="M{x} 375 h26" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/><text x="{x + 34}" y="380" fill="{INK}">{words}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Draws all figures."""
    argparse.ArgumentParser(description="Draws the figures of how-it-works.md.").parse_args()
    IMAGES.mkdir(exist_ok=True)
    pictures = {"tiling": tiling, "border-weights": weights, "objects-parted": parting}
    for name, draw in pictures.items():
        small = draw().quantize(128, dither=PIL.Image.Dither.NONE)
        small.save(IMAGES / f"{name}.png", optimize=True)
    (IMAGES / "network.svg").write_text(network(), "utf-8")


if __name__ == "__main__":
    main()
