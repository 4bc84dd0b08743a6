"""Two sets of images, or their features, against each other."""
