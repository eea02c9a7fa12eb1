"""Segmenting many files: resumable, in several processes, with one line for each that fails."""
