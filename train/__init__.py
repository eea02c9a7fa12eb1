"""Trains a U-Net on labelled images and writes a checkpoint with its records.

`python -m train --help` lists the options.
"""
