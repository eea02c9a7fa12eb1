"""Reads labelled images: data sets, columns, mask encodings, pairs of image and mask."""
