"""Objects of the result in view: counted, measured, taken home."""
