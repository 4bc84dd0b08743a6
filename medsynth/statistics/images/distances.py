"""Distances between two sets of images by their features: Fréchet (FID) and kernel (KID)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.statistics.scores.diagnostic import Floats

BLOCK_VALUES = 2**22
"""Kernel values held at once: 32 MB."""


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance with its standard error."""

    value: float
    """Unbiased, hence possibly below zero."""
    error: float
    """Standard error by delete-half jackknife over patients; NaN with fewer than two patients in a set."""


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of features.

    With centered features X, Y divided by sqrt(n - 1), the covariances are X'X and Y'Y, and the trace of the square
    root of their product is the sum of the singular values of XY'. So no square root of a matrix is needed, and
    nothing breaks when there are fewer images than features (the value is then biased upwards all the same).
    Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017, equation 6.

    Args:
        first: (N, D) features of one set, N >= 2.
        second: (M, D) features of the other, M >= 2.
    """
    mean_first, root_first = _mean_and_root(first)
    mean_second, root_second = _mean_and_root(second)
    overlap = np.linalg.svd(root_first @ root_second.T, compute_uv=False).sum()
    shift = mean_first - mean_second
    distance = shift @ shift + (root_first**2).sum() + (root_second**2).sum() - 2.0 * overlap
    return max(float(distance), 0.0)


def _mean_and_root(features: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return the mean (D,) and a matrix R, (min(N, D), D), with R'R = covariance."""
    values = _checked(features)
    mean = values.mean(axis=0)
    root: Floats = (values - mean) / math.sqrt(len(values) - 1)
    if root.shape[0] > root.shape[1]:
        root = np.asarray(np.linalg.qr(root, mode="r"))
    return mean, root


def _checked(features: NDArray[np.floating]) -> Floats:
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"need (N, D) features of at least 2 images, got shape {values.shape}")
    return values


def kernel_distance(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    groups: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
    subsets: int = 100,
    seed: int = 0,
) -> KernelDistance:
    """Return the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 and its standard error.

    The value is the unbiased estimator over all images. The standard error is the spread of the same estimator over
    random halves of the patients of both sets (delete-half jackknife: Shao and Wu, "A general theory for jackknife
    variance estimation", 1989). For two sets of one distribution it errs on the large side, by at most sqrt(3).
    Source: Binkowski et al., "Demystifying MMD GANs", 2018, section 4.

    Args:
        first: (N, D) features of one set, N >= 2.
        second: (M, D) features of the other, M >= 2.
        groups: (N,) and (M,) patients; images of one patient stay together. Not given: one patient per image.
        subsets: random halves; 0 gives no standard error.
        seed: of the random halves.
    """
    one, two = _checked(first), _checked(second)
    patients = groups or (np.arange(len(one)), np.arange(len(two)))
    generator = np.random.default_rng(seed)
    halves_one = _with_halves(patients[0], subsets, generator)
    halves_two = _with_halves(patients[1], subsets, generator)
    estimates = (
        _mean_within(one, halves_one)
        + _mean_within(two, halves_two)
        - 2.0 * _mean_between(one, two, halves_one, halves_two)
    )
    halves = estimates[1:]
    halves = halves[np.isfinite(halves)]
    enough = len(halves) > 1 and min(len(np.unique(names)) for names in patients) > 1
    error = float(np.sqrt(np.mean((halves - estimates[0]) ** 2))) if enough else math.nan
    return KernelDistance(float(estimates[0]), error)


def _with_halves(groups: NDArray[np.generic], subsets: int, generator: np.random.Generator) -> Floats:
    """Return (1 + subsets, N) weights: all images, then the images of random halves of the patients."""
    names, owner = np.unique(groups, return_inverse=True)
    chosen = np.ones((1 + subsets, len(names)))
    for row in range(1, 1 + subsets):
        # Rounding the size up and down in turn, an odd number of patients is halved without bias.
        size = (len(names) + row % 2) // 2
        chosen[row] = 0.0
        chosen[row, generator.permutation(len(names))[:size]] = 1.0
    return chosen[:, owner]


def _mean_within(values: Floats, weights: Floats) -> Floats:
    """Return (S,) means of the kernel over pairs of different images; NaN where there is no pair."""
    itself = weights @ _kernel_of_itself(values)
    size = weights.sum(axis=1)
    pairs = np.where(size > 1, size * (size - 1), np.nan)
    return (_kernel_sums(values, values, weights, weights) - itself) / pairs


def _mean_between(one: Floats, two: Floats, weights_one: Floats, weights_two: Floats) -> Floats:
    """Return (S,) means of the kernel over pairs of one image of each set; NaN where there is no pair."""
    pairs = weights_one.sum(axis=1) * weights_two.sum(axis=1)
    return _kernel_sums(one, two, weights_one, weights_two) / np.where(pairs > 0, pairs, np.nan)


def _kernel_of_itself(values: Floats) -> Floats:
    kernel: Floats = ((values**2).mean(axis=1) + 1.0) ** 3
    return kernel


def _kernel_sums(one: Floats, two: Floats, weights_one: Floats, weights_two: Floats) -> Floats:
    """Return (S,) weighted sums of the kernel over all pairs, computed in blocks of rows to bound memory."""
    total = np.zeros(len(weights_one))
    rows = max(1, BLOCK_VALUES // len(two))
    for start in range(0, len(one), rows):
        block = slice(start, start + rows)
        kernel = (one[block] @ two.T / one.shape[1] + 1.0) ** 3
        total += ((weights_two @ kernel.T) * weights_one[:, block]).sum(axis=1)
    return total
