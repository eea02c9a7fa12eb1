"""Measures scores, their intervals and speed, and verifies checkpoints against their records."""
