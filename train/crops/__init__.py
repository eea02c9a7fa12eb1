"""Makes training crops from labelled images."""
