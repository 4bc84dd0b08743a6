"""What synthesis is worth in real positive patients. Letters: L levels, S trainings, R resamples.

A level is a number of real positive patients in training. Each has classifiers trained with synthetic images and
without them, in pairs of one seed, and all judge the same test patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from medsynth.api import Predictions, Subject
from medsynth.statistics.bootstrap import bootstrap_predictions
from medsynth.statistics.scores.diagnostic import Floats

COMPARED = (Subject.SYNTHETIC, Subject.REAL_ONLY)
AREA, SENSITIVITY = "roc_auc", "sensitivity"
RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Level:
    """Classifiers that were trained with one number of real positive patients.

    Args:
        number: of these patients.
        trainings: S predictions for each of `COMPARED`, those of one seed in the same place.
    """

    number: int
    trainings: Mapping[str, Sequence[Predictions]]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; infinite where it lies beyond what was measured."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Scarcity:
    """Scores against the number of real positive patients, and what synthetic images were worth in such patients.

    Args:
        numbers: (L,) of real positive patients, ascending.
        scores: mean over trainings at each level, by one of `COMPARED` and by ``roc_auc`` or ``sensitivity``.
        worth: at each level, how many more real positive patients a classifier without synthetic images needs for the
            AUC that the one with them has; infinite where no number that was tried gave it, minus infinity where the
            fewest gave more.
        trainings: S.
        patients: in the test set.
    """

    numbers: tuple[int, ...]
    scores: Mapping[str, Mapping[str, tuple[Estimate, ...]]]
    worth: tuple[Estimate, ...]
    trainings: int
    patients: int


def needed_numbers(numbers: ArrayLike, curve: ArrayLike, wanted: ArrayLike) -> Floats:
    """Return with how many patients a curve reaches scores.

    More patients cannot make a classifier worse but by chance: the curve is the rising one that is nearest to what was
    measured (isotonic regression), straight between two levels in the logarithm of the number.

    Args:
        numbers: (L,) of patients, ascending, from 1 on.
        curve: (L,) scores that they gave.
        wanted: (K,) scores.

    Returns:
        (K,) real numbers; infinity above the curve's end, minus infinity below its start.
    """
    places, rising = np.log2(np.asarray(numbers, dtype=np.float64)), isotonic_regression(np.asarray(curve)).x
    scores = np.asarray(wanted, dtype=np.float64)
    after = np.searchsorted(rising, scores)  # first level that reaches the score
    inner = np.clip(after, 1, len(rising) - 1)
    below, above = rising[inner - 1], rising[inner]
    share = np.clip((scores - below) / np.where(above > below, above - below, 1.0), 0.0, 1.0)
    found: Floats = 2.0 ** (places[inner - 1] + share * (places[inner] - places[inner - 1]))
    found[after == len(rising)] = np.inf
    found[scores < rising[0]] = -np.inf
    return found


def scarcity(
    levels: Sequence[Level], *, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> Scarcity:
    """Compare training with and without synthetic images at several numbers of real positive patients.

    The intervals are percentiles over resamples of test patients and of trainings at once: a resample draws patients
    and seeds with replacement, the same ones at all levels. A single training is not resampled. Few trainings give
    intervals that are somewhat too narrow, as their resamples vary by (S - 1) / S of the variance.

    Args:
        levels: two or more, of different numbers, with the same trainings and test images.
        resamples: R.
        confidence: share of resamples inside the intervals.
        seed: of the random numbers.

    Raises:
        ValueError: there are fewer levels, or two of one number, or another number of trainings.
    """
    ordered = sorted(levels, key=lambda level: level.number)
    numbers = tuple(level.number for level in ordered)
    sizes = {len(level.trainings[subject]) for level in ordered for subject in COMPARED}
    if len(set(numbers)) < max(2, len(numbers)) or len(sizes) != 1:
        raise ValueError(f"need different numbers and as many trainings of each, got {numbers} and {sorted(sizes)}")
    trainings = sizes.pop()
    # The first column holds the figures themselves, the others those of the resamples.
    chosen = np.random.default_rng(seed).integers(0, trainings, size=(trainings, resamples + 1))
    chosen[:, 0] = np.arange(trainings)
    means = {subject: _means(ordered, subject, chosen, seed) for subject in COMPARED}
    reached, real = means[Subject.SYNTHETIC][AREA], means[Subject.REAL_ONLY][AREA]
    used = ~np.isnan(reached).any(axis=0)
    needed = [needed_numbers(numbers, real[:, k], reached[:, k]) for k in np.flatnonzero(used)]
    worth = np.stack(needed, axis=1) - np.array(numbers)[:, None]
    scores = {
        subject: {name: tuple(_estimate(row[used], confidence) for row in table) for name, table in own.items()}
        for subject, own in means.items()
    }
    return Scarcity(
        numbers=numbers,
        scores=scores,
        worth=tuple(_estimate(row, confidence) for row in worth),
        trainings=trainings,
        patients=len(np.unique(ordered[0].trainings[Subject.SYNTHETIC][0].patients)),
    )


def _means(levels: Sequence[Level], subject: str, chosen: np.ndarray, seed: int) -> dict[str, Floats]:
    """Return by metric (L, 1 + R) means over the trainings that each column has chosen."""
    metrics = (AREA, SENSITIVITY)
    table = np.array(
        [[_columns(p, metrics, chosen.shape[1] - 1, seed) for p in lv.trainings[subject]] for lv in levels]
    )
    picked = np.take_along_axis(table, chosen[None, :, None, :], axis=1).mean(axis=1)
    return {name: picked[:, place] for place, name in enumerate(metrics)}


def _columns(judged: Predictions, metrics: Sequence[str], resamples: int, seed: int) -> Floats:
    """Return (len(metrics), 1 + R): the metrics, and those of each resample of the test patients."""
    found = bootstrap_predictions(judged, resamples=resamples, seed=seed, metrics=metrics)
    return np.stack([np.concatenate([[found.estimates[name]], found.values[name]]) for name in metrics])


def _estimate(row: Floats, confidence: float) -> Estimate:
    """Return the first value with the interval of the others, whose ends are values of theirs: some are infinite."""
    values = np.sort(row[1:])
    if not len(values):
        return Estimate(float(row[0]), np.nan, np.nan)
    tail = 0.5 * (1.0 - confidence) * (len(values) - 1)
    return Estimate(float(row[0]), float(values[int(tail)]), float(values[len(values) - 1 - int(tail)]))
