"""Which checkpoints a visitor may ask for, what is known of each, and those that stay loaded."""
