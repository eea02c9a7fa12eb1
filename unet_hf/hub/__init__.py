"""Finds, downloads, loads, saves and publishes checkpoints, with what was measured on them."""
