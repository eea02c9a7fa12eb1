"""Prediction of an image, its result, and the files that a result is saved as."""
