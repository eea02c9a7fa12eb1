"""Pictures drawn by this code, with exact ground truth: demo examples, checkpoint samples and test
data that carry nobody's licence.

Needs scikit-image and SciPy (extras "demo" and "train").
"""

from .drawing import Drawing
from .electron import electron_micrograph
from .films import Film, film
from .nuclei import fluorescence_nuclei, stained_nuclei
from .phase import phase_contrast

__all__ = [
    "Drawing",
    "Film",
    "electron_micrograph",
    "film",
    "fluorescence_nuclei",
    "phase_contrast",
    "stained_nuclei",
]
