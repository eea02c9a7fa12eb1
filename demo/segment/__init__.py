"""The tab Segment: an image, a checkpoint, the result."""
