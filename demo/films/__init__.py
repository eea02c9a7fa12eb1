"""The tab *Film*: objects followed through a film, watched and corrected."""
