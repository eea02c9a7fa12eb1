"""Scores, intervals, speed, and whether a checkpoint is still what it claims."""
