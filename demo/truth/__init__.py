"""The result in view against a mask that is known to be right."""
