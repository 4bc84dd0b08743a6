"""Labels and probabilities, against each other."""
