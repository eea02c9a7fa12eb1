"""Teach a U-Net: labelled images in, a checkpoint with its evidence out. `python -m train -h`."""
