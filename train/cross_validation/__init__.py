"""How images are divided into folds, what is wrong with the folds, and what they have found."""
