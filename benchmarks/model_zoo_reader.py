"""Run by `benchmarks.model_zoo` in the environment of `bioimageio.core`, which lacks this package:
predicts an image with a package for the zoo, whole, with the halo mirrored around it, and in
blocks.

python model_zoo_reader.py PACKAGE IMAGE.npy WEIGHTS STEPS FOLDER

Blocks have STEPS steps above the smallest input.
"""

import sys
from pathlib import Path

import numpy as np
from bioimageio.core import create_prediction_pipeline
from bioimageio.core.digest_spec import create_sample_for_model
from bioimageio.spec import load_model_description

package, image, weights, steps, folder = sys.argv[1:]
described = load_model_description(package, format_version="latest")
output = described.outputs[0].id
# As it is: with padding, the reader mirrors the halo around the image before it normalises.
bare = {"skip_input_padding": True, "skip_output_cropping": True}
with create_prediction_pipeline(described, weight_format=weights) as pipeline:
    for name, predict, options in (
        ("whole", pipeline.predict_sample_without_blocking, bare),
        ("padded", pipeline.predict_sample_without_blocking, {}),
        ("blocks", pipeline.predict_sample_with_blocking, {"ns": int(steps)}),
    ):
        inputs = {described.inputs[0].id: np.load(image)}
        sample = create_sample_for_model(described, inputs=inputs, sample_id=name)
        values = predict(sample, **options).members[output].data
        values = values.transpose("batch", "channel", "y", "x")
        np.save(Path(folder, f"{name}.npy"), np.asarray(values)[0])
