"""A training step's network in fewer passes over memory; the gradients are those of autograd."""
