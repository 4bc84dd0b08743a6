"""Precision, recall, density and coverage: how two sets of features overlap, by balls around neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medsynth.statistics.images.neighbors import distance_blocks
from medsynth.statistics.scores.diagnostic import Floats


@dataclass(frozen=True)
class Overlap:
    """What each image contributes; the metrics are the means.

    Around each image lies a ball that reaches to its k-th nearest neighbor in its own set.
    """

    precision: Floats
    """(N,) 1 where a judged image lies in the ball of any real image: it looks real."""
    recall: Floats
    """(M,) 1 where a real image lies in the ball of any judged image: it could have been made."""
    density: Floats
    """(N,) number of real images' balls that hold a judged image, divided by k; unlike precision hardly moved by one
    outlier among the real images."""
    coverage: Floats
    """(M,) 1 where the ball of a real image holds any judged image."""


def neighbor_radii(features: ArrayLike, neighbors: int) -> Floats:
    """Return the distance of each of (N, D) features to its k-th nearest other one, (N,); N > `neighbors`."""
    values = np.asarray(features)
    if not 1 <= neighbors < len(values):
        raise ValueError(f"{neighbors} neighbors need more than as many images, got {len(values)}")
    radii = np.zeros(len(values))
    for block, distances in distance_blocks(values, values):
        # Each image is its own nearest, at distance zero.
        radii[block] = np.partition(distances, neighbors, axis=1)[:, neighbors]
    return radii


def overlap(judged: ArrayLike, real: ArrayLike, *, neighbors: int = 5) -> Overlap:
    """Compare (N, D) features of judged images with (M, D) features of real images.

    Sources: Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models", 2019,
    equations 1 and 2; Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020, equations
    3 and 4. With two sets of one distribution and many images, density is 1 and coverage near 1 - 2^-k.

    Args:
        judged: N > `neighbors`.
        real: M > `neighbors`.
        neighbors: k, the neighbor that the balls reach to.

    Raises:
        ValueError: there are too few images.
    """
    radii_judged, radii_real = neighbor_radii(judged, neighbors), neighbor_radii(real, neighbors)
    held_by = np.zeros(len(radii_judged))
    recall, coverage = np.zeros(len(radii_real)), np.zeros(len(radii_real))
    for block, distances in distance_blocks(real, judged):
        inside = distances <= radii_real[block, None]
        held_by += inside.sum(axis=0)
        coverage[block] = inside.any(axis=1)
        recall[block] = (distances <= radii_judged).any(axis=1)
    return Overlap(precision=(held_by > 0).astype(np.float64), recall=recall, density=held_by / neighbors,
                   coverage=coverage)  # fmt: skip
