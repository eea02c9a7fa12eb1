"""The one way of predicting, its result, and the files it is saved as."""
