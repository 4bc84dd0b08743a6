"""What stands in files that are not configs, read without any library that would load them."""
