"""The Fréchet distance freed of its bias by few images, and made to punish copies of training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.statistics.images.distances import frechet_distance
from medsynth.statistics.images.neighbors import nearest

SMALLEST_SHARE = 0.5
"""Share of the patients in the smallest subset. Below, the bias leaves the straight line sooner."""


def extrapolated_frechet_distance(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    groups: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
    points: int = 15,
    seed: int = 0,
) -> float:
    """Return the Fréchet distance extrapolated to infinitely many images.

    The bias of the distance falls as 1 / n. So the distance is measured between random subsets of both sets, whose
    share of the images falls from 1 to a half, and a straight line through it over 1 / share is followed to zero.
    Source: Chong and Forsyth, "Effectively unbiased FID and Inception score and where to find them", 2020, section 4.
    There the real images are so many that only the judged ones are made fewer; here both sets are small.

    Args:
        first: (N, D) features of one set. With N < D the bias is no straight line, and much of it remains.
        second: (M, D) features of the other.
        groups: (N,) and (M,) patients, of whom subsets are drawn. Not given: one patient per image.
        points: subsets, the whole sets being the first.
        seed: of the subsets.

    Raises:
        ValueError: a set has fewer than four patients, so that halves of them say nothing.
    """
    patients = groups or (np.arange(len(first)), np.arange(len(second)))
    if min(len(np.unique(names)) for names in patients) < 4:
        raise ValueError("extrapolation needs images of at least 4 patients in each set")
    generator = np.random.default_rng(seed)
    inverse, values = [], []
    for share in np.linspace(1.0, SMALLEST_SHARE, points):
        kept = [_share_of(names, share, generator) for names in patients]
        inverse.append(np.mean([len(chosen) / chosen.sum() for chosen in kept]))
        values.append(frechet_distance(first[kept[0]], second[kept[1]]))
    _, intercept = np.polyfit(inverse, values, 1)
    return float(intercept)


def _share_of(groups: NDArray[np.generic], share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return (N,) whether an image belongs to the drawn share of the patients."""
    names = np.unique(groups)
    return np.isin(groups, generator.permutation(names)[: round(share * len(names))])


def distance_to_memory(judged: NDArray[np.floating], training: NDArray[np.floating]) -> float:
    """Return the mean over judged images of the cosine distance to the most similar training image, in [0, 2].

    The cosine distance is 1 minus the cosine of the angle between two features.

    Args:
        judged: (N, D) features.
        training: (M, D) features of the images that were trained on.
    """
    # Rounding may bring the distance of copies below zero.
    return max(float(nearest(judged, training, metric="cosine")[0].mean()), 0.0)


def memorization_informed_distance(distance: float, memory: float, threshold: float) -> float:
    """Return a Fréchet distance divided by `memory` where that falls below `threshold` (MIFID).

    Source: Bai et al., "On training sample memorization: lessons from benchmarking generative modeling with a
    large-scale competition", 2021, section 3. Infinite for exact copies.

    Args:
        distance: Fréchet distance to real images.
        memory: what `distance_to_memory` says of the same images.
        threshold: distance that is still no sign of memorization. It depends on the extractor.
    """
    if memory >= threshold:
        return distance
    return distance / memory if memory > 0 else np.inf
