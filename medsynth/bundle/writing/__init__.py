"""A bundle made of what a run trained."""
