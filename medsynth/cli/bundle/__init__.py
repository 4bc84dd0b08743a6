"""The commands below ``medsynth bundle``."""
