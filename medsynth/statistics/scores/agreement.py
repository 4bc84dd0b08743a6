"""How far readers agree beyond chance. Letters: N cases, K categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return the agreement of two readers beyond chance (Cohen 1960): 1 = always, 0 = as often as by chance.

    NaN where chance alone would make them always agree: both put every case into the same category.

    Args:
        first, second: (N,) category of each case, numbers or names.

    Raises:
        ValueError: the lengths differ, or there is no case.
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.ndim != 1 or one.shape != two.shape or not len(one):
        raise ValueError(f"need a category of each case from both readers, got shapes {one.shape} and {two.shape}")
    names = np.unique(np.concatenate([one, two]))
    shares = [(reader[:, None] == names).mean(axis=0) for reader in (one, two)]
    return _beyond_chance(float((one == two).mean()), float(shares[0] @ shares[1]))


def fleiss_kappa(counts: ArrayLike) -> float:
    """Return the agreement of any number of readers beyond chance (Fleiss 1971), who may differ from case to case.

    NaN where all readings are of one category.

    Args:
        counts: (N, K) how many readers put each case into each category; the same number of readers for every case.

    Raises:
        ValueError: cases have different numbers of readers, or fewer than two.
    """
    table = np.asarray(counts, dtype=np.float64)
    readers = np.unique(table.sum(axis=1)) if table.ndim == 2 else np.zeros(0)
    if len(readers) != 1 or readers[0] < 2:
        raise ValueError(f"need the same number of readers, two or more, for every case, got {readers}")
    number = float(readers[0])
    agreeing = ((table * (table - 1.0)).sum(axis=1) / (number * (number - 1.0))).mean()
    shares = table.sum(axis=0) / table.sum()
    return _beyond_chance(float(agreeing), float(shares @ shares))


def _beyond_chance(observed: float, expected: float) -> float:
    return (observed - expected) / (1.0 - expected) if expected < 1.0 else np.nan
