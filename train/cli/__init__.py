"""`python -m train`: arguments, training, check."""
