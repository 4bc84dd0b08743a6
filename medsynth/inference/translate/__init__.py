"""Translating one's own images: files in, files out."""
