"""What a check of images has found, in words."""
