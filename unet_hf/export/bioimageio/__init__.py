"""A package for the BioImage Model Zoo (bioimage.io): one zip with the weights in two formats, a
description (`rdf.yaml`) that ilastik, deepImageJ, QuPath and napari read, tensors to test it with,
a picture and a documentation.

The description is written by hand as a plain mapping, of version 0.5.4 of the specification: all
readers of later versions take it. `python -m benchmarks.model_zoo` checks packages with
`bioimageio.core`, in an environment of its own.
"""
