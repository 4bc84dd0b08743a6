"""What is allowed where, and what was found."""
