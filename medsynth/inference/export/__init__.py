"""A bundle's networks in other forms, for other runtimes."""
