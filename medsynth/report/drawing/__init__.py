"""Figures as SVG: of training, of classifiers, of the worth of synthesis."""
