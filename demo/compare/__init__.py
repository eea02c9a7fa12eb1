"""The tab Compare: two checkpoints or thresholds on one image."""
