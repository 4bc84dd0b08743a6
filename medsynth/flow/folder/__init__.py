"""A run's folder: chosen, opened, locked, shared with other runs of a study."""
