from __future__ import annotations

import math

import numpy as np
import pytest

from medsynth.statistics import neighbor_radii, overlap


def features(n: int, seed: int, *, dimension: int = 4, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * np.random.default_rng(seed).normal(size=(n, dimension))


def slow_overlap(judged: np.ndarray, real: np.ndarray, k: int) -> dict[str, float]:
    """The definitions as loops over pairs."""

    def radius(values: np.ndarray, i: int) -> float:
        return sorted(math.dist(values[i], values[j]) for j in range(len(values)) if j != i)[k - 1]

    of_real = [radius(real, i) for i in range(len(real))]
    of_judged = [radius(judged, j) for j in range(len(judged))]
    held = [[math.dist(x, y) <= of_real[i] for y in judged] for i, x in enumerate(real)]
    return {
        "precision": sum(any(row[j] for row in held) for j in range(len(judged))) / len(judged),
        "recall": sum(any(math.dist(x, y) <= of_judged[j] for j, y in enumerate(judged)) for x in real) / len(real),
        "density": sum(map(sum, held)) / (k * len(judged)),
        "coverage": sum(map(any, held)) / len(real),
    }


@pytest.mark.parametrize(("k", "shift"), [(1, 0.0), (3, 0.8), (5, 2.0)])
def test_all_four_equal_loops_over_pairs(k, shift):
    judged, real = features(25, 0, shift=shift), features(32, 1)
    found = overlap(judged, real, neighbors=k)
    for name, value in slow_overlap(judged, real, k).items():
        assert getattr(found, name).mean() == pytest.approx(value, abs=1e-12)


def test_small_blocks_give_the_same(monkeypatch):
    judged, real = features(25, 0), features(32, 1)
    whole = overlap(judged, real)
    monkeypatch.setattr("medsynth.statistics.images.neighbors.BLOCK_VALUES", 64)
    for name, values in vars(overlap(judged, real)).items():
        assert np.array_equal(values, getattr(whole, name))


def test_density_and_coverage_of_one_distribution_are_their_expectations():
    n, m, k = 40, 60, 5
    found = [overlap(features(m, i), features(n, i + 500), neighbors=k) for i in range(100)]
    uncovered = math.prod((n - j) / (n + m - j) for j in range(1, k + 1))
    assert np.mean([one.density.mean() for one in found]) == pytest.approx(1.0, abs=0.03)
    assert np.mean([one.coverage.mean() for one in found]) == pytest.approx(1.0 - uncovered, abs=0.01)


def test_a_collapsed_generator_is_precise_but_recalls_and_covers_little():
    real = features(100, 1)
    found = overlap(features(100, 0, scale=0.05), real)
    assert found.precision.mean() == 1.0
    assert found.recall.mean() < 0.1
    assert found.coverage.mean() < 0.5


def test_images_far_away_have_no_overlap_at_all():
    found = overlap(features(20, 0, shift=50.0), features(20, 1))
    assert not any(values.any() for values in vars(found).values())


def test_an_outlier_among_real_images_moves_precision_more_than_density():
    real = np.vstack([features(60, 1), np.full((1, 4), 30.0)])
    found = overlap(features(50, 0, shift=8.0), real)
    assert found.precision.mean() == 1.0
    assert found.density.mean() < 0.5


def test_radii_of_points_on_a_line_are_known():
    assert neighbor_radii(np.array([[0.0], [1.0], [3.0], [7.0]]), 2).tolist() == [3.0, 2.0, 3.0, 6.0]


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="5 neighbors need more than as many images, got 5"):
        overlap(features(5, 0), features(9, 1))
