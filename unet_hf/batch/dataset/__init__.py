"""A whole data set of the Hub into one with masks, by one or several processes."""
