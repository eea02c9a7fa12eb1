"""The results that visitors have in view: kept within a budget of memory, and taken home."""
