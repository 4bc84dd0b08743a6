"""The files of a bundle that medsynth writes."""
