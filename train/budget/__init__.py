"""Fits a training to the time that it may take: what its parts cost here, and what fits."""
