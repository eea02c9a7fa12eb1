"""Labelled images: columns, mask encodings, pairs of image and mask."""
