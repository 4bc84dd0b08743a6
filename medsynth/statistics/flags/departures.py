"""How far an image departs from what is usual, place by place. Letters: N images, H height, W width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from medsynth.statistics.scores.diagnostic import Floats

WORST = 0.01
"""Share of an image's pixels that decide: a lesion fills little more."""
_FINEST = 64
"""Detail is what one in so many parts of the width can show; of smaller images a pixel."""
_FAINT = 0.3
"""Edges much weaker than this share of the image's own spread of edges count as none."""
_FLOOR = 0.25
"""Least deviation, as a share of the map's median: where nothing ever differs, any difference would be infinite."""


def edge_differences(images: np.ndarray, others: np.ndarray) -> Floats:
    """Return at each pixel the logarithm of how much stronger the edges of one image are than the other's, (N, H, W).

    Edges are the gradient's magnitude as a multiple of its own spread over the image, so contrast may change or turn
    around. 0 = as strong, positive = an edge got lost, negative = one was added.

    Args:
        images, others: (N, C, H, W), pair by pair; channels are averaged.
    """
    first, second = (np.stack([_edges(image) for image in stack.mean(1)]) for stack in (images, others))
    found: Floats = np.log((first + _FAINT) / (second + _FAINT))
    return found


def residuals(images: np.ndarray, others: np.ndarray) -> Floats:
    """Return the smoothed difference of two images' values at each pixel, (N, H, W); see `edge_differences`."""
    difference = others.mean(1).astype(np.float64) - images.mean(1)
    return np.stack([gaussian_filter(one, _detail(one)) for one in difference])


@dataclass(frozen=True)
class Usual:
    """What is usual at each place of a translation: maps over many images, in which none of them can be seen.

    Args:
        mean, deviation: (H, W).
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, maps: np.ndarray) -> Usual:
        """Measure it on (N, H, W) maps of images that training used; blurred, so that N may be small."""
        width = 2 * _detail(maps[0])
        mean = gaussian_filter(maps.mean(0), width)
        deviation = np.sqrt(gaussian_filter(((maps - mean) ** 2).mean(0), width))
        known = deviation[deviation > 0.0]
        return cls(mean, np.maximum(deviation, _FLOOR * float(np.median(known)) if known.size else 1.0))

    def worst(self, maps: np.ndarray) -> Floats:
        """Return how far (N, H, W) maps depart from it at their worst places, (N,).

        It is the mean absolute departure, in deviations, over the `WORST` share of pixels.
        """
        apart = np.abs((maps - self.mean) / self.deviation).reshape(len(maps), -1)
        count = max(1, round(WORST * apart.shape[1]))
        found: Floats = np.partition(apart, -count, axis=1)[:, -count:].mean(axis=1)
        return found


def _edges(image: np.ndarray) -> Floats:
    strength = gaussian_gradient_magnitude(image.astype(np.float64), _detail(image))
    spread = float(strength.std())
    found: Floats = strength / spread if spread > 1e-9 else np.zeros_like(strength)
    return found


def _detail(image: np.ndarray) -> float:
    return max(1.0, float(image.shape[-1]) / _FINEST)
