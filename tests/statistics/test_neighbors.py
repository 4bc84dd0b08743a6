from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from medsynth.statistics import Nearness, distance_ratio, nearest, nearest_version
from tests.rounding import equal_but_for_rounding


def features(n: int, seed: int, *, dimension: int = 6, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=(n, dimension))).astype(np.float32)


def patients(n: int, name: str, per_patient: int = 1) -> np.ndarray:
    return np.array([f"{name}{k // per_patient}" for k in range(n)], dtype=object)


def near(judged: np.ndarray, training: np.ndarray, held_out: np.ndarray, name: str = "s") -> Nearness:
    return Nearness.of((judged, patients(len(judged), name)), training, (held_out, patients(len(held_out), "h")))


def reference(training: np.ndarray, held_out: np.ndarray) -> Nearness:
    return near(held_out, training, held_out, "h")


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearest_equals_scikit_learn(metric):
    first, second = (features(n, n).astype(np.float64) for n in (30, 50))
    distances, which = NearestNeighbors(n_neighbors=1, metric=metric).fit(second).kneighbors(first)
    found = nearest(first, second, metric=metric)
    assert found[0] == pytest.approx(distances[:, 0], rel=1e-6)
    assert found[1].tolist() == which[:, 0].tolist()


def test_nearest_in_small_blocks_is_the_same(monkeypatch):
    first, second = features(30, 0), features(20, 1)
    whole = nearest(first, second)
    monkeypatch.setattr("medsynth.statistics.images.neighbors.BLOCK_VALUES", 64)
    distances, which = nearest(first, second)
    assert distances == equal_but_for_rounding(whole[0])
    assert which.tolist() == whole[1].tolist()


def test_images_of_one_patient_are_not_compared():
    values, names = features(12, 0), patients(12, "p", per_patient=3)
    found, which = nearest(values, values, groups=(names, names))
    for i in range(12):
        others = {j: math.dist(values[i].tolist(), values[j].tolist()) for j in range(12) if names[j] != names[i]}
        assert which[i] == min(others, key=others.__getitem__)
        assert found[i] == pytest.approx(others[which[i]], rel=1e-6)


def test_equal_features_have_the_distance_zero_exactly():
    values = features(20, 0, dimension=1280, scale=100.0)
    found, which = nearest(values, values)
    assert not found.any()
    assert which.tolist() == list(range(20))


def test_a_feature_that_is_all_zero_has_no_angle_and_counts_as_far():
    assert nearest(np.zeros((1, 3)), features(4, 0, dimension=3), metric="cosine")[0] == 1.0


def test_of_several_versions_of_an_image_the_nearest_counts():
    first, turned, second = features(9, 0), features(9, 1), features(15, 2)
    distances, which = nearest_version(np.stack([first, turned]), second)
    for i in range(9):
        found = {
            (v, j): math.dist(values[i], y) for v, values in enumerate((first, turned)) for j, y in enumerate(second)
        }
        (_, partner), smallest = min(found.items(), key=lambda item: item[1])
        assert (which[i], distances[i]) == (partner, pytest.approx(smallest))


def test_the_ratio_is_one_for_new_images_of_the_same_distribution_whatever_the_sizes():
    for training, held_out in ((200, 30), (30, 200)):
        found = [
            distance_ratio(
                near(features(60, k), *(sets := (features(training, k + 500), features(held_out, k + 1000)))),
                reference(*sets),
                resamples=0,
            )[0]
            for k in range(40)
        ]
        assert abs(np.mean(found) - 1.0) < 0.02


def test_blurred_images_are_not_taken_for_copies_and_noisy_copies_are():
    training, held_out = features(100, 0), features(60, 1)
    real = reference(training, held_out)
    blurred = distance_ratio(near(features(60, 2, scale=0.2), training, held_out), real)
    copies = distance_ratio(near(training[:60] + features(60, 2, scale=0.1), training, held_out), real)
    assert blurred[2] > 1.0
    assert copies[2] < 0.5


def test_the_interval_equals_a_loop_over_resampled_patients():
    training, held_out = features(40, 0), features(30, 1)
    judged = Nearness.of((features(20, 2), patients(20, "s", 4)), training, (held_out, own := patients(30, "h", 3)))
    real = Nearness.of((held_out, own), training, (held_out, own))
    values = []
    generators = np.random.default_rng(7), np.random.default_rng(8)
    draws = [generator.integers(0, p, size=(50, p)) for generator, p in zip(generators, (5, 10), strict=True)]
    for one, other in zip(*draws, strict=True):
        rows = np.concatenate([np.arange(4 * p, 4 * p + 4) for p in one])
        # Sorted as text, patient h10 would follow h1; there are ten, h0 to h9.
        held = np.concatenate([np.arange(3 * p, 3 * p + 3) for p in other])
        ratios = [n.training[r].mean() / n.held_out[r].mean() for n, r in ((judged, rows), (real, held))]
        values.append(ratios[0] / ratios[1])
    value, low, high = distance_ratio(judged, real, resamples=50, seed=7)
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert low < value < high


def test_copies_of_everything_have_the_ratio_zero_and_no_division_fails():
    values = features(5, 0)
    held_out = features(5, 1)
    copies = near(values, values, held_out)
    assert copies.ratio < 1e-100
    both = near(values, values, values)
    assert both.ratios.tolist() == [1.0] * 5


def test_a_single_held_out_patient_leaves_no_reference_and_no_interval():
    held_out = features(5, 1)
    own = (held_out, np.full(5, "h", dtype=object))
    real = Nearness.of(own, features(9, 0), own)
    assert (len(real), real.ratio) == (0, 1.0)
    value, low, high = distance_ratio(near(features(4, 2), features(9, 0), held_out), real)
    assert value > 0
    assert math.isnan(low)
    assert math.isnan(high)


def test_images_of_a_patient_who_alone_is_held_out_are_left_out():
    held_out = (features(3, 1), np.full(3, "a", dtype=object))
    found = Nearness.of((features(4, 2), np.array(["b", "a", "c", "a"], dtype=object)), features(5, 0), held_out)
    assert found.rows.tolist() == [0, 2]
    assert found.patients.tolist() == ["b", "c"]
