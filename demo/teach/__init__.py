"""A visitor's strokes teach the checkpoint that has segmented their image."""
