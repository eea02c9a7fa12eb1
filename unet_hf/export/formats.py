"""The formats a U-Net is exported to: how each is written, and run again to be checked."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, ExportError, how_to_install
from ..predict.segmentation import Segmentation
from .bioimageio.bare import expected_outputs
from .bioimageio.package import write_package
from .bioimageio.run import load_package_onnx, load_package_torchscript
from .job import Job
from .onnx_file import Outputs, Run, load_onnx, write_onnx
from .parity import outputs_of

DESCRIPTION = "unet_hf"  # what it is called inside OpenVINO's files


@dataclass(frozen=True)
class Format:
    """write: (job, path). loads: One for each network that the file holds.

    packages: What has to be installed, and the extra that installs it. outputs: What the file's
    networks have to give. beside: Whether a text beside the file says how to use it.
    """

    suffix: str
    write: Callable[[Job, Path], None]
    loads: tuple[Callable[[Path], Run], ...]
    packages: tuple[str, ...] = ()
    extra: str = "export"
    outputs: Callable[[Segmentation], Outputs] = outputs_of
    beside: bool = True

    def check_packages(self) -> None:
        """Raises `ExportError` if one is not installed."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise ExportError(
                f"The export to {self.suffix} needs {' and '.join(missing)}, which is not "
                f"installed. {how_to_install(self.extra)}"
            )


def format_named(name: str) -> Format:
    """Raises `ConfigError`."""
    if name == "torch":
        raise ConfigError(
            "The format 'torch' (.pt2) was removed, because loading such a file may run code that "
            "it brings along. Export to 'onnx' instead."
        )
    if name not in FORMATS:
        raise ConfigError(f"There is no format {name!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


def write_onnx_format(job: Job, path: Path) -> None:
    write_onnx(job.model, job.description, path)


def write_openvino(job: Job, path: Path) -> None:
    """path: of the .xml; the weights go into a .bin beside it."""
    import openvino

    intermediate = path.with_suffix(".onnx")
    write_onnx(job.model, job.description, intermediate)
    converted = openvino.Core().read_model(intermediate)
    converted.set_rt_info(json.dumps(job.description), [DESCRIPTION])
    openvino.save_model(converted, path, compress_to_fp16=False)
    intermediate.unlink()


def load_openvino(path: Path) -> Run:
    import openvino

    float32 = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 otherwise, where the CPU has it
    network = openvino.Core().compile_model(path, "CPU", float32)
    return lambda inputs: {output.any_name: values for output, values in network(inputs).items()}


FORMATS = {
    "onnx": Format(".onnx", write_onnx_format, (load_onnx,), ("onnx", "onnxruntime")),
    "openvino": Format(
        ".xml", write_openvino, (load_openvino,), ("onnx", "openvino"), extra="openvino"
    ),
    "bioimageio": Format(
        ".zip",
        write_package,
        (load_package_onnx, load_package_torchscript),
        ("onnx", "onnxruntime"),
        outputs=expected_outputs,
        beside=False,
    ),
}
