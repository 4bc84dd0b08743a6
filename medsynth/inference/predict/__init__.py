"""Predictions for one's own images, with intervals and heatmaps."""
