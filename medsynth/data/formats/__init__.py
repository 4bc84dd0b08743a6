"""What a file is, and its pixels."""
