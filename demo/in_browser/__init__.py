"""The tab In your browser: the image never leaves the visitor's computer."""
