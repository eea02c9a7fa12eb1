"""Teaches a checkpoint on a few strokes that somebody has painted on their images."""
