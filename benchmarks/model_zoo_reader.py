"""Run by `benchmarks.model_zoo` in the environment of `bioimageio.core`, which lacks this package:
predicts an image with a package for the zoo, whole, with
the halo mirrored around it, and in blocks.

python model_zoo_reader.py PACKAGE IMAGE.npy WEIGHTS FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from bioimageio.core import create_prediction_pipeline
from bioimageio.core.digest_spec import create_sample_for_model
from bioimageio.spec import load_model_description

# Steps above the smallest input: blocks of 304 px, of which 112 px are kept. The smallest keep 16.
STEPS = 6

package, image, weights, folder = sys.argv[1:]
described = load_model_description(package, format_version="latest")
output = described.outputs[0].id
with create_prediction_pipeline(described, weight_format=weights) as pipeline:
    # As it is: with padding, the reader mirrors the halo around the image before it normalises.
    bare = {"skip_input_padding": True, "skip_output_cropping": True}
    for name, options in (("whole", bare), ("padded", {}), ("blocks", {"ns": STEPS})):
        inputs = {described.inputs[0].id: np.load(image)}
        sample = create_sample_for_model(described, inputs=inputs, sample_id=name)
        blocked = name == "blocks"
        predict = (
            pipeline.predict_sample_with_blocking
            if blocked
            else pipeline.predict_sample_without_blocking
        )
        values = predict(sample, **options).members[output].data
        values = values.transpose("batch", "channel", "y", "x")
        np.save(Path(folder, f"{name}.npy"), np.asarray(values)[0])
