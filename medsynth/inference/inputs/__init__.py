"""One's own files: found, read, and fitted to a network."""
