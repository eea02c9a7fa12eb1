"""U-Nets one can try, load, teach and share.

>>> from unet_hf import UNet
>>> result = UNet.from_pretrained("unet-isbi").segment("slice.tif")  # doctest: +SKIP
>>> result.save("out")  # doctest: +SKIP
"""

from .errors import UNetError
from .hub import shipped_checkpoints
from .image_data import ImageData
from .images import read_image
from .objects import Objects
from .pixel_size import PixelSize
from .sample import sample_input
from .segmentation import Segmentation
from .unet import UNet

__version__ = "0.1.0"
__all__ = [
    "ImageData", "Objects", "PixelSize", "Segmentation", "UNet", "UNetError", "read_image",
    "sample_input", "shipped_checkpoints",
]  # fmt: skip
