"""The tab Many images: files, a zip or a stack in; one zip and one table out."""
