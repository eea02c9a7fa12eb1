"""Finds what is wrong with a data set, and writes a repaired copy."""
