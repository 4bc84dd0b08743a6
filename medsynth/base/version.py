"""The version of medsynth."""

__version__ = "0.1.0"
