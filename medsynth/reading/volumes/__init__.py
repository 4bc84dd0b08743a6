"""Volumes: NIfTI, and what ITK reads."""
