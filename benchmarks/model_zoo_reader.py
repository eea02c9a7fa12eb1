"""Run by `benchmarks.model_zoo` in the environment of `bioimageio.core`, which lacks this package:
predicts an image with a package for the zoo, whole and in blocks.

python model_zoo_reader.py PACKAGE IMAGE.npy WEIGHTS FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from bioimageio.core import create_prediction_pipeline, predict
from bioimageio.spec import load_model_description

# Steps above the smallest input: blocks of 304 px, of which 112 px are kept. The smallest keep 16.
STEPS = 6

package, image, weights, folder = sys.argv[1:]
described = load_model_description(package, format_version="latest")
output = described.outputs[0].id
with create_prediction_pipeline(described, weight_format=weights) as pipeline:
    for name, size in (("whole", None), ("blocks", STEPS)):
        inputs = {described.inputs[0].id: np.load(image)}
        sample = predict(model=pipeline, inputs=inputs, blocksize_parameter=size)
        values = sample.members[output].data.transpose("batch", "channel", "y", "x")
        np.save(Path(folder, f"{name}.npy"), np.asarray(values)[0])
