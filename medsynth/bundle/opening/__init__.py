"""A bundle's networks and preprocessing, rebuilt from its files."""
