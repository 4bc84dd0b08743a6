"""A set of features as its mean and its main directions, from which no single image can be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.statistics.scores.diagnostic import Floats

MOST = 16
SHARE = 4
"""At most one direction for so many images."""
_TINY = 1e-12


@dataclass(frozen=True)
class Directions:
    """Where features lie. Letters: D dimensions, K directions.

    Args:
        mean: (D,).
        axes: (K, D), of length 1 and at right angles.
        variances: (K,) along each of them.
        rest: variance along any other direction, of which the smallest eigenvalues are the mean.
    """

    mean: Floats
    axes: Floats
    variances: Floats
    rest: float

    @classmethod
    def of(cls, features: np.ndarray) -> Directions:
        """Fit (N, D) features by probabilistic principal components (Tipping and Bishop 1999)."""
        values = np.asarray(features, np.float64)
        mean = values.mean(0)
        _, lengths, axes = np.linalg.svd(values - mean, full_matrices=False)
        variances = lengths**2 / len(values)
        count = min(MOST, len(values) // SHARE)
        rest = variances[count:].sum() / max(1, values.shape[1] - count)
        return cls(mean, axes[:count], np.maximum(variances[:count], _TINY), max(float(rest), _TINY))

    def distance(self, features: np.ndarray) -> Floats:
        """Return the Mahalanobis distance of (N, D) features from the set, (N,)."""
        apart = np.asarray(features, np.float64) - self.mean
        along = apart @ self.axes.T
        beside = np.maximum((apart**2).sum(1) - (along**2).sum(1), 0.0)
        found: Floats = np.sqrt((along**2 / self.variances).sum(1) + beside / self.rest)
        return found
