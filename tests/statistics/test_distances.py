from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from medsynth.statistics import frechet_distance, kernel_distance


def features(n: int, dimension: int, seed: int, *, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (shift + scale * np.random.default_rng(seed).normal(size=(n, dimension))).astype(np.float32)


def slow_kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimator as two nested loops."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / len(x) + 1.0) ** 3

    def within(values: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(values)) for j in range(len(values)) if i != j]
        return sum(kernel(values[i], values[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(x, y) for x in first for y in second) / (len(first) * len(second))
    return within(first) + within(second) - 2.0 * between


def test_frechet_distance_equals_the_formula_with_a_matrix_square_root():
    mixing = features(8, 8, 9).astype(np.float64)
    first, second = features(200, 8, 0) @ mixing, features(150, 8, 1, shift=0.3)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(0, dtype=np.float64) - second.mean(0, dtype=np.float64)
    expected = shift @ shift + np.trace(one + two - 2.0 * sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_approaches_the_closed_form_of_two_gaussians():
    # Independent features: |shift|^2 + D (s1 - s2)^2.
    found = frechet_distance(features(20_000, 4, 0), features(20_000, 4, 1, shift=0.5, scale=2.0))
    assert found == pytest.approx(4 * 0.5**2 + 4 * (1.0 - 2.0) ** 2, rel=0.03)


def test_frechet_distance_with_fewer_images_than_features_equals_the_full_rank_limit():
    # Padding with constant features changes nothing, but makes both covariances singular.
    first, second = features(30, 5, 0), features(40, 5, 1, shift=1.0)
    wide = [np.hstack([values, np.full((len(values), 95), 0.7, np.float32)]) for values in (first, second)]
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(first, second), rel=1e-9)


def test_frechet_distance_of_a_set_to_itself_is_zero():
    values = features(20, 64, 3)
    assert frechet_distance(values, values) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_is_biased_upwards_by_few_images():
    few = frechet_distance(features(20, 64, 0), features(20, 64, 1))
    assert few > 3 * frechet_distance(features(2000, 64, 0), features(2000, 64, 1))


def test_kernel_distance_equals_a_double_loop():
    first, second = features(9, 5, 0), features(7, 5, 1, shift=0.4)
    assert kernel_distance(first, second).value == pytest.approx(slow_kernel_distance(first, second), rel=1e-9)


def test_kernel_distance_in_small_blocks_is_the_same(monkeypatch):
    first, second = features(30, 5, 0), features(20, 5, 1)
    whole = kernel_distance(first, second)
    monkeypatch.setattr("medsynth.statistics.images.distances.BLOCK_VALUES", 64)
    assert kernel_distance(first, second).value == pytest.approx(whole.value, rel=1e-9)


def test_kernel_distance_is_unbiased_where_both_sets_are_alike():
    found = [kernel_distance(features(10, 6, k), features(15, 6, k + 1000), subsets=0).value for k in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found))


def test_the_standard_error_matches_the_spread_over_new_samples():
    found = [kernel_distance(features(41, 6, k), features(50, 6, k + 500, shift=0.6), subsets=30) for k in range(80)]
    spread = np.std([distance.value for distance in found])
    assert 0.75 < np.mean([distance.error for distance in found]) / spread < 1.3


def test_images_of_one_patient_stay_together_and_widen_the_error():
    images = np.repeat(features(12, 6, 0), 8, axis=0), features(96, 6, 1, shift=0.6)
    owners = np.repeat(np.arange(12), 8), np.arange(96)
    alone = kernel_distance(*images)
    together = kernel_distance(*images, groups=owners)
    assert together.value == alone.value
    assert together.error > 1.5 * alone.error


def test_a_single_patient_has_no_standard_error():
    owners = np.zeros(10), np.arange(10)
    assert math.isnan(kernel_distance(features(10, 4, 0), features(10, 4, 1), groups=owners).error)


def test_equal_seeds_give_equal_errors():
    images = features(12, 4, 0), features(10, 4, 1)
    assert kernel_distance(*images, seed=4) == kernel_distance(*images, seed=4)
    assert kernel_distance(*images, seed=4) != kernel_distance(*images, seed=5)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_a_single_image_is_refused(measure):
    with pytest.raises(ValueError, match=r"at least 2 images, got shape \(1, 4\)"):
        measure(features(1, 4, 0), features(5, 4, 1))
