"""The commands `python -m train` and `python -m train check`."""
