"""A bundle's networks at work on one's own images."""
