"""Variants of the training, which `benchmarks.recipe` compares with the default command."""
