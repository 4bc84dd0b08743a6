"""Studies: a grid of runs over generators, classifiers, seeds and ablations, with one comparison at the end."""
