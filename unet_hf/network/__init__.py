"""The network as in the paper's figure, its configuration, and the tiling of large images."""
