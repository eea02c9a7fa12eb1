"""Decides the options of a training that were not given, from what is known of its data."""
