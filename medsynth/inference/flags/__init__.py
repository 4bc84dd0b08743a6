"""Which images of one's own to distrust."""
