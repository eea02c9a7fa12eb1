"""Single objects of a mask: found, measured, outlined."""
