"""Many files, or a whole data set, through one model."""
