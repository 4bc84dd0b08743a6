"""How much of an image's structure another image shows. Letters: N images, C channels, H height, W width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_gradient_magnitude


def edge_agreement(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how well edges of two images lie in the same places, (N,): 1 = everywhere, 0 = no better than chance.

    It is the correlation of the gradient's magnitude after smoothing by one pixel. Contrast may change or turn around;
    noise lowers it.

    Args:
        images, others: (N, C, H, W), pair by pair; channels are averaged.
    """
    pairs = zip(images.mean(1), others.mean(1), strict=True)
    return np.array([_correlation(*(gaussian_gradient_magnitude(image, 1.0) for image in pair)) for pair in pairs])


def recognized(images: np.ndarray, others: np.ndarray) -> float:
    """Return how surely each of `others` is recognized by its edges as the one made from its own image.

    It is the probability that the edges of another image's translation agree less with an image than those of its own
    one do: 1 = always, 0.5 = no better than chance, as for translations that do not depend on their images. Agreement
    is measured as in `edge_agreement`.

    Args:
        images, others: (N, C, H, W), N >= 2, pair by pair; channels are averaged.
    """
    edges, found = (
        np.stack([_standardized(gaussian_gradient_magnitude(image, 1.0)) for image in stack.mean(1)])
        for stack in (images, others)
    )
    agreement = np.round(edges @ found.T, 12)  # so that equal images tie
    own, different = np.diag(agreement), ~np.eye(len(images), dtype=bool)
    beaten = np.sign(own[:, None] - agreement) / 2 + 0.5
    return float(beaten[different].mean())


def intensity_correlation(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the correlation of the pixels' values of two images, (N,); see `edge_agreement` for shapes."""
    return np.array([_correlation(*pair) for pair in zip(images.mean(1), others.mean(1), strict=True)])


def mutual_information(images: np.ndarray, others: np.ndarray, *, bins: int = 32) -> np.ndarray:
    """Return the normalized mutual information of two images' values, (N,) in [0, 1]: 2 I(X, Y) / (H(X) + H(Y)).

    0 where both images are constant. Source: Strehl and Ghosh 2002, with the arithmetic mean.

    Args:
        images, others: (N, C, H, W) in [-1, 1], pair by pair; channels are averaged.
        bins: equal intervals of [-1, 1].
    """
    levels = (np.clip(((x.mean(1) + 1.0) * 0.5 * bins).astype(int), 0, bins - 1) for x in (images, others))
    return np.array([_normalized(first * bins + second, bins) for first, second in zip(*levels, strict=True)])


def _normalized(cells: np.ndarray, bins: int) -> float:
    joint = np.bincount(cells.ravel(), minlength=bins * bins).reshape(bins, bins) / cells.size
    first, second, both = (_entropy(share) for share in (joint.sum(1), joint.sum(0), joint.ravel()))
    return 2.0 * (first + second - both) / (first + second) if first + second > 0.0 else 0.0


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0.0]
    return float(-(shares * np.log(shares)).sum())


def _standardized(values: np.ndarray) -> np.ndarray:
    """Return values as a vector of mean 0 and length 1, or of zeros where they are constant."""
    values = values.ravel().astype(np.float64) - values.mean(dtype=np.float64)
    length = np.linalg.norm(values)
    return values / length if length > 1e-9 else np.zeros_like(values)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 1e-9 else 0.0


def flicker(images: np.ndarray, others: np.ndarray, volumes: Sequence[Sequence[int]]) -> np.ndarray:
    """Return how much more `others` change from slice to slice than `images` do, one ratio per volume, (V,).

    It is the mean absolute change of `others` between neighboring slices divided by that of `images`: 1 = as much, more
    where slices were translated without regard to each other. NaN where `images` do not change.

    Args:
        images, others: (N, C, H, W), pair by pair.
        volumes: rows of each volume's slices in their order, at least two.
    """
    found = []
    for rows in volumes:
        before, after = (float(np.abs(np.diff(stack[list(rows)], axis=0)).mean()) for stack in (images, others))
        found.append(after / before if before else np.nan)
    return np.array(found, dtype=np.float64)


def runs_of_slices(names: Sequence[str]) -> list[list[int]]:
    """Return the rows of neighboring slices of one file, from names that end in ``#index``; runs of one are left out.

    Examples:
        >>> runs_of_slices(["a#1", "b.png", "a#2", "a#4", "a#0"])
        [[4, 0, 2]]
    """
    parts = [(name.rpartition("#"), row) for row, name in enumerate(names)]
    slices = sorted((file, int(index), row) for (file, mark, index), row in parts if mark and index.isdecimal())
    runs: list[list[int]] = []
    for number, (file, index, row) in enumerate(slices):
        follows = number > 0 and slices[number - 1][:2] == (file, index - 1)
        if follows:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [run for run in runs if len(run) > 1]
