"""The network as the paper draws it, its configuration, and its tiles."""
