from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from medsynth.statistics import (
    distance_to_memory,
    extrapolated_frechet_distance,
    frechet_distance,
    memorization_informed_distance,
)


def features(n: int, seed: int, *, dimension: int = 16, shift: float = 0.0) -> np.ndarray:
    return shift + np.random.default_rng(seed).normal(size=(n, dimension))


def formula(first: np.ndarray, second: np.ndarray) -> float:
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(0) - second.mean(0)
    return shift @ shift + np.trace(one + two - 2.0 * sqrtm(one @ two).real)


def test_extrapolation_removes_most_of_the_bias_towards_the_closed_form_of_two_gaussians():
    # Equal covariances: the distance is |shift|^2.
    truth = 16 * 0.2**2
    pairs = [(features(150, k), features(120, k + 500, shift=0.2)) for k in range(30)]
    plain = np.mean([frechet_distance(*pair) for pair in pairs]) - truth
    extrapolated = np.mean([extrapolated_frechet_distance(*pair, points=8) for pair in pairs]) - truth
    assert plain > 0.5
    assert abs(extrapolated) < 0.2 * plain


def test_the_line_is_the_least_squares_fit_to_distances_of_subsets_of_patients():
    first, second = features(90, 0, dimension=4), features(80, 1, dimension=4)
    owners = np.arange(90) // 3, np.arange(80) // 4
    generator = np.random.default_rng(3)
    design, values = [], []
    for share in np.linspace(1.0, 0.5, 6):
        rows = []
        for owner in owners:
            drawn = set(generator.permutation(np.unique(owner))[: round(share * len(np.unique(owner)))].tolist())
            rows.append([i for i, name in enumerate(owner) if name in drawn])
        design.append([1.0, 0.5 * (90 / len(rows[0]) + 80 / len(rows[1]))])
        values.append(formula(first[rows[0]], second[rows[1]]))
    (intercept, _), *_ = np.linalg.lstsq(np.array(design), np.array(values), rcond=None)
    found = extrapolated_frechet_distance(first, second, groups=owners, points=6, seed=3)
    assert found == pytest.approx(intercept, rel=1e-6)


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="at least 4 patients"):
        extrapolated_frechet_distance(features(9, 0), features(9, 1), groups=(np.arange(9) // 3, np.arange(9)))


def test_the_distance_to_memory_equals_a_loop():
    judged, training = features(7, 0, dimension=3), features(9, 1, dimension=3)

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return 1.0 - sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))

    expected = sum(min(cosine(x, y) for y in training) for x in judged) / len(judged)
    assert distance_to_memory(judged, training) == pytest.approx(expected)


def test_mifid_is_the_distance_itself_until_images_come_too_near_to_training_images():
    assert memorization_informed_distance(12.0, 0.2, 0.1) == 12.0
    assert memorization_informed_distance(12.0, 0.05, 0.1) == pytest.approx(240.0)


def test_mifid_of_exact_copies_is_infinite():
    training = features(20, 0)
    memory = distance_to_memory(np.zeros((4, 16)) + training[3], training)
    assert memory < 1e-12
    assert memorization_informed_distance(1.0, 0.0, 0.1) == math.inf
