"""What runs leave, read again, and compared."""
