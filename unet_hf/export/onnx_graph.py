"""A U-Net as an ONNX graph: pixels in, probabilities out, and maps of objects where the network has
them; every size and number of images.

Written node by node, not traced: some sixty nodes with names that say where in the figure they
are, batch norms folded into the convolutions before them.
"""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ..engine.layers import fold_batch_norm
from ..unet import UNet
from .mirroring import Mirroring

# Later ones give these operators new data types, none of them float32, and shut out runtimes from
# before 2025; this one is read by ONNX Runtime 1.18 (May 2024) and its version for browsers.
OPSET = 21
IR_VERSION = 10  # of the file format; the one that came with it
HEIGHT, WIDTH = 2, 3  # axes of an image


def build(model: "UNet", description: dict[str, Any], *, bare: bool = False) -> onnx.ModelProto:
    """The network with its pre- and post-processing.

    Inputs:
        image: (batch, channels, height, width) float32, pixels scaled to 0 ... 1.
        mean, std: (batch,) float32, of each whole image; only where the checkpoint normalises
            by them ("image"). A std of 0 counts as 1.

    Outputs:
        probabilities: (batch, classes, height, width) float32.
        object_maps: (batch, n, height, width) float32, only where the network has such maps; see
            `Network.object_channels`.

    description: Goes into the file's metadata, texts as they are, all else as JSON.

    bare: As `bioimageio.bare.Bare`, which has neither: `image` is normalised and its sides are on
    the grid, and there is one output, `prediction`, the classes and then the maps of objects.
    """
    graph = Graph()
    geometry = model.geometry
    x = "image"
    if not bare:
        x = graph.mirrored(graph.normalized(x, model), Mirroring.of(geometry))

    padding = 1 if geometry.padding == "same" else 0
    skips = []
    for level, step in enumerate(model.contracting):
        skips.append(graph.two_convolutions(f"contracting.{level}", x, step, padding))
        pooled = f"contracting.{level}.pool"
        x = graph.add("MaxPool", pooled, skips[-1], kernel_shape=[2, 2], strides=[2, 2])
    x = graph.two_convolutions("bottleneck", x, model.bottleneck, padding)
    lost = 8  # what an upsampled map lacks of its skip; below, two convolutions and their double
    for level, (up, step) in enumerate(zip(model.up_convolutions, model.expansive, strict=True)):
        name = f"expansive.{level}"
        x = graph.upsampled(f"{name}.up", x, up)
        skip = skips.pop()
        if not padding:
            skip = graph.cropped(f"{name}.skip", skip, lost // 2)
            lost = 16 + 2 * lost
        x = graph.add("Concat", f"{name}.concatenated", skip, x, axis=1)
        x = graph.two_convolutions(name, x, step, padding)

    logits = graph.convolution("head", x, model.head.weight, model.head.bias, padding=0)
    if bare:
        graph.add("Concat", "prediction", *graph.planes(logits, x, model), axis=1)
        return graph.finished(model, description, bare)
    graph.measure_image()
    graph.add("Softmax", "probabilities", graph.cut_to_image("logits", logits), axis=1)
    if model.object_head is not None:
        head = model.object_head
        maps = graph.convolution("object_head", x, head.weight, head.bias, padding=0)
        graph.cut_to_image("object_maps", maps)
    return graph.finished(model, description)


class Graph:
    """Nodes and constants, in the order they are computed. A node's name is that of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: type = np.int64) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weights(self, name: str, value: Tensor) -> str:
        return self.constant(name, value.detach().float().cpu().contiguous().numpy(), np.float32)

    # ------------------------------------------------------------------------ before and after

    def normalized(self, image: str, model: "UNet") -> str:
        preprocessing = model.preprocessing
        if preprocessing.normalization == "fixed":
            shape = (-1, 1, 1)
            mean = self.constant("mean", np.reshape(preprocessing.mean, shape), np.float32)
            std = self.constant("std", np.reshape(preprocessing.std, shape), np.float32)
        else:
            axes = self.constant("channel and pixel", [1, 2, 3])
            zero, one = (self.constant(str(value), value, np.float32) for value in (0, 1))
            mean = self.add("Unsqueeze", "mean.of_image", "mean", axes)
            some = self.add("Greater", "std.is_positive", "std", zero)
            divisor = self.add("Where", "std.divisor", some, "std", one)
            std = self.add("Unsqueeze", "std.of_image", divisor, axes)
        centred = self.add("Sub", "image.centred", image, mean)
        return self.add("Div", "image.normalized", centred, std)

    def mirrored(self, x: str, rule: Mirroring) -> str:
        """As `tiling.mirrored`, in both axes; the border pixel is not repeated."""
        one, two = self.constant("1 px", 1), self.constant("2 px", 2)
        multiple = self.constant("grid", rule.multiple)
        raised = self.constant("to the grid", rule.offset + rule.multiple - 1)
        first = self.constant("first", -rule.margin)
        beyond = self.constant("beyond", rule.margin - rule.offset)
        for axis, name in ((HEIGHT, "rows"), (WIDTH, "columns")):
            shape = self.add("Shape", f"{name}.shape", "image", start=axis, end=axis + 1)
            size = self.add("Squeeze", f"{name}.size", shape)
            above = self.add("Add", f"{name}.above", size, raised)
            steps = self.add("Div", f"{name}.steps", above, multiple)
            on_grid = self.add("Mul", f"{name}.on_grid", steps, multiple)
            last = self.add("Add", f"{name}.last", on_grid, beyond)
            there = self.add("Range", f"{name}.there", first, last, one)
            hops = self.add("Sub", f"{name}.hops", size, one)
            there_and_back = self.add("Mul", f"{name}.there_and_back", hops, two)
            period = self.add("Max", f"{name}.period", there_and_back, one)  # of a single pixel
            forth = self.add("Mod", f"{name}.forth", there, period)
            back = self.add("Sub", f"{name}.back", period, forth)
            indices = self.add("Min", name, forth, back)
            x = self.add("Gather", f"image.{name}", x, indices, axis=axis)
        return x

    def measure_image(self) -> None:
        self.add("Shape", "size", "image", start=HEIGHT, end=WIDTH + 1)
        self.constant("corner", [0, 0])
        self.constant("pixel", [HEIGHT, WIDTH])

    def cut_to_image(self, name: str, x: str) -> str:
        """What was mirrored is cut off again; after `measure_image`."""
        return self.add("Slice", name, x, "corner", "size", "pixel")

    # ------------------------------------------------------------------------------ the network

    def two_convolutions(self, name: str, x: str, step: nn.Sequential, padding: int) -> str:
        for which, at in (("first", 0), ("second", 3)):
            part = f"{name}.{which}"
            x = self.convolution(part, x, *fold_batch_norm(step[at], step[at + 1]), padding)
            x = self.add("Relu", f"{part}.relu", x)
        return x

    def convolution(self, name: str, x: str, weight: Tensor, bias: Tensor, padding: int) -> str:
        inputs = (x, self.weights(f"{name}.weight", weight), self.weights(f"{name}.bias", bias))
        shape = list(weight.shape[2:])
        return self.add("Conv", name, *inputs, kernel_shape=shape, pads=[padding] * 4)

    def upsampled(self, name: str, x: str, module: nn.Module) -> str:
        if isinstance(module, nn.Sequential):  # a 1x1 convolution, then interpolation
            convolution = module[0]
            x = self.convolution(f"{name}.narrow", x, convolution.weight, convolution.bias, 0)
            scales = self.constant(f"{name}.scales", [1, 1, 2, 2], np.float32)
            return self.add("Resize", name, x, "", scales, mode="linear")
        weight = self.weights(f"{name}.weight", module.weight)
        bias = self.weights(f"{name}.bias", module.bias)
        options = {"kernel_shape": [2, 2], "strides": [2, 2]}
        return self.add("ConvTranspose", name, x, weight, bias, **options)

    def cropped(self, name: str, x: str, margin: int) -> str:
        """Without `margin` px on each side."""
        start = self.constant(f"{name}.start", [margin, margin])
        end = self.constant(f"{name}.end", [-margin, -margin])
        axes = self.constant(f"{name}.axes", [HEIGHT, WIDTH])
        return self.add("Slice", name, x, start, end, axes)

    def planes(self, logits: str, x: str, model: "UNet") -> list[str]:
        """Probabilities, then each map of objects, with the border as a probability."""
        found = [self.add("Softmax", "probabilities", logits, axis=1)]
        for index, name in enumerate(model.object_channels):
            one, head = slice(index, index + 1), model.object_head
            plane = self.convolution(f"object_{name}", x, head.weight[one], head.bias[one], 0)
            border = name == "border"
            found.append(self.add("Sigmoid", "border", plane) if border else plane)
        return found

    # ----------------------------------------------------------------------------------- the file

    def finished(
        self, model: "UNet", description: dict[str, Any], bare: bool = False
    ) -> onnx.ModelProto:
        """Raises `onnx.checker.ValidationError` if it is no valid graph."""

        def tensor(name: str, *shape: str | int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        pixels = ("height", "width")
        classes, maps = model.config["num_classes"], len(model.object_channels)
        inputs = [tensor("image", "batch", model.config["in_channels"], *pixels)]
        if model.preprocessing.normalization == "image" and not bare:
            inputs += [tensor("mean", "batch"), tensor("std", "batch")]
        if bare:
            inside = pixels if model.geometry.padding == "same" else ("rows", "columns")
            outputs = [tensor("prediction", "batch", classes + maps, *inside)]
        else:
            outputs = [tensor("probabilities", "batch", classes, *pixels)]
            if maps:
                outputs.append(tensor("object_maps", "batch", maps, *pixels))
        graph = helper.make_graph(self.nodes, "unet", inputs, outputs, self.constants)
        built = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="unet_hf",
            producer_version=description["unet_hf"],
        )
        helper.set_model_props(built, {key: as_text(value) for key, value in description.items()})
        return built


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
