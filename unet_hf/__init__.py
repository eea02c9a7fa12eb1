"""U-Nets one can try, load, teach and share.

>>> from unet_hf import UNet
>>> result = UNet.from_pretrained("unet-isbi").segment("slice.tif")  # doctest: +SKIP
>>> result.save("out")  # doctest: +SKIP
"""

from .errors import UNetError
from .hub.find import shipped_checkpoints
from .hub.sample import sample_input
from .images.image_data import ImageData
from .images.pixel_size import PixelSize
from .images.reading import read_image
from .objects.objects import Objects
from .predict.segmentation import Segmentation
from .teaching import teach
from .unet import UNet
from .version import __version__

__all__ = [
    "ImageData",
    "Objects",
    "PixelSize",
    "Segmentation",
    "UNet",
    "UNetError",
    "__version__",
    "read_image",
    "sample_input",
    "shipped_checkpoints",
    "teach",
]  # fmt: skip
