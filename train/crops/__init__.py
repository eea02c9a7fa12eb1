"""From labelled images to training crops."""
