"""Nearest neighbors between sets of features: how near images are, and whether nearer than they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.statistics.bootstrap import patient_draws
from medsynth.statistics.intervals import percentile_interval
from medsynth.statistics.scores.diagnostic import Floats

BLOCK_VALUES = 2**22
"""Distances held at once: 32 MB."""
_TINY = float(np.finfo(np.float64).tiny)
_ROUNDING = 1e-12


def distance_blocks(first: ArrayLike, second: ArrayLike, metric: str = "euclidean") -> Iterator[tuple[slice, Floats]]:
    """Yield distances between (N, D) and (M, D) features as (rows of `first`, (rows, M) float64), a few rows at a time.

    Distances as small as rounding could make them are zero, so that copies are recognized as such.

    Args:
        first, second: features.
        metric: ``euclidean``, or ``cosine``: 1 minus the cosine of the angle, 1 where a feature is all zero.
    """
    one, two = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if metric == "cosine":
        one, two = (values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _TINY) for values in (one, two))
    squares = [(values**2).sum(axis=1) for values in (one, two)]
    rows = max(1, BLOCK_VALUES // max(len(two), 1))
    for start in range(0, len(one), rows):
        block = slice(start, start + rows)
        # The matrix product is an order of magnitude faster than summing differences.
        products = one[block] @ two.T
        if metric == "cosine":
            distances = 1.0 - products
            distances[distances < _ROUNDING] = 0.0
        else:
            sums = squares[0][block, None] + squares[1]
            distances = sums - 2.0 * products
            distances[distances < _ROUNDING * sums] = 0.0
            distances = np.sqrt(distances)
        yield block, distances


def nearest(
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
    metric: str = "euclidean",
) -> tuple[Floats, NDArray[np.int64]]:
    """Return for each image of a set the distance to its nearest image of another set, and which one it is.

    Args:
        first: (N, D) features.
        second: (M, D) features, M >= 1.
        groups: (N,) and (M,) patients; images of one patient are not compared. Not given: all are.
        metric: see `distance_blocks`.

    Returns:
        (N,) distances, infinite where nothing is left to compare with, and (N,) indices into `second`.
    """
    found, which = np.zeros(len(np.asarray(first))), np.zeros(len(np.asarray(first)), dtype=np.int64)
    for block, distances in distance_blocks(first, second, metric):
        if groups is not None:
            distances[np.asarray(groups[0])[block, None] == np.asarray(groups[1])[None]] = np.inf
        which[block] = distances.argmin(axis=1)
        found[block] = distances.min(axis=1)
    return found, which


def nearest_version(
    versions: ArrayLike,
    second: ArrayLike,
    *,
    groups: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return what `nearest` says of each image's nearest version, of (V, N, D) or of a single one (N, D)."""
    stack = np.asarray(versions)
    found = [nearest(one, second, groups=groups) for one in stack.reshape(-1, *stack.shape[-2:])]
    distances, which = (np.stack(parts) for parts in zip(*found, strict=True))
    best = distances.argmin(axis=0), np.arange(distances.shape[1])
    return distances[best], which[best]


@dataclass(frozen=True)
class Nearness:
    """How near each of N images is to the training set and to a held-out set of the same kind."""

    rows: NDArray[np.int64]
    """(N,) index of each image in the set that was judged; those without a held-out image of another patient lack."""
    training: Floats
    """(N,) distance to the nearest training image."""
    partner: NDArray[np.int64]
    """(N,) index of that training image."""
    held_out: Floats
    """(N,) distance to the nearest held-out image of another patient."""
    patients: NDArray[np.generic]
    """(N,) names."""

    @classmethod
    def of(
        cls,
        judged: tuple[ArrayLike, NDArray[np.generic]],
        training: ArrayLike,
        held_out: tuple[ArrayLike, NDArray[np.generic]],
    ) -> Nearness:
        """Compare features of images with those of both sets.

        Args:
            judged: (J, D) features and (J,) patients; or (V, J, D), versions of images of which the nearest counts.
            training: (T, D) features, T >= 1.
            held_out: features and patients, at least one image.
        """
        distance, partner = nearest_version(judged[0], training)
        other, _ = nearest_version(judged[0], held_out[0], groups=(judged[1], held_out[1]))
        known = np.flatnonzero(np.isfinite(other))
        return cls(known, distance[known], partner[known], other[known], np.asarray(judged[1])[known])

    def __len__(self) -> int:
        return len(self.training)

    @property
    def ratios(self) -> Floats:
        """(N,) distance to training / distance to held-out images; 1 where both are zero."""
        ratios: Floats = (self.training + _TINY) / (self.held_out + _TINY)
        return ratios

    @property
    def ratio(self) -> float:
        """Mean distance to training / mean distance to held-out images; 1 without any image."""
        return float((self.training.sum() + _TINY) / (self.held_out.sum() + _TINY))

    def resampled_ratio(self, resamples: int, seed: int) -> Floats:
        """Return (R,) `ratio` when patients are drawn with replacement."""
        names, owner = np.unique(np.asarray(self.patients).astype(str), return_inverse=True)
        near, far = (np.bincount(owner, values, len(names)) for values in (self.training, self.held_out))
        draws = patient_draws(len(names), resamples, seed=seed)
        return np.concatenate([(near[d].sum(1) + _TINY) / (far[d].sum(1) + _TINY) for d in draws])


def distance_ratio(
    judged: Nearness, reference: Nearness, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Return how much nearer than `reference` `judged` is to training images, with its interval.

    It is the ratio of mean distances to training and to held-out images, divided by the same ratio for real images
    that were not trained on. So it is 1 for images that owe nothing to single training images, whatever the sizes of
    both sets, and blurred images, near to everything, do not count as copies. Copies bring it towards 0.

    Args:
        judged: synthetic images.
        reference: held-out real images, each against the held-out images of other patients.
        resamples: of the patients of both; 0 = no interval (NaN).
        confidence: share of the interval.
        seed: of the resamples.

    Returns:
        Value, low and high end of the percentile interval.
    """
    value = judged.ratio / reference.ratio
    if not resamples or min(len(judged), len(reference)) == 0:
        return value, np.nan, np.nan
    ratios = judged.resampled_ratio(resamples, seed) / reference.resampled_ratio(resamples, seed + 1)
    return value, *percentile_interval(ratios, confidence)
