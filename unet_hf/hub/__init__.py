"""Checkpoints: found, downloaded, loaded, saved, published, with their evidence."""
