from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from medsynth.statistics import area_covariance, delong_test


def two_models(seed: int, n: int = 60, digits: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties; what both models see of a case is correlated."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(int)
    shared = rng.normal(size=n)
    first, second = (np.round(labels * gain + shared + rng.normal(size=n), digits) for gain in (1.5, 0.8))
    return first, second, labels


def by_pairs(models: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components from all pairs of a positive and a negative case."""
    positive, negative = models[:, labels == 1], models[:, labels == 0]
    better = (positive[:, :, None] > negative[:, None, :]) + 0.5 * (positive[:, :, None] == negative[:, None, :])
    covariance = np.cov(better.mean(2)) / positive.shape[1] + np.cov(better.mean(1)) / negative.shape[1]
    return better.mean((1, 2)), np.atleast_2d(covariance)


@pytest.mark.parametrize("seed", range(5))
def test_areas_and_covariance_equal_those_from_all_pairs_and_scikit_learn(seed):
    first, second, labels = two_models(seed)
    models = np.stack([first, second, -first])
    areas, covariance = area_covariance(models, labels)
    expected = by_pairs(models, labels)
    np.testing.assert_allclose(areas, expected[0], atol=1e-12)
    np.testing.assert_allclose(covariance, expected[1], atol=1e-12)
    assert areas.tolist() == pytest.approx([roc_auc_score(labels, model) for model in models])


def test_the_difference_has_the_normal_interval_and_p_value():
    first, second, labels = two_models(0)
    found = delong_test(first, second, labels, confidence=0.9)
    areas, covariance = by_pairs(np.stack([first, second]), labels)
    error = np.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    normal = stats.norm(areas[0] - areas[1], error)
    assert found.areas == pytest.approx(tuple(areas))
    assert found.difference == pytest.approx(areas[0] - areas[1])
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx(normal.interval(0.9))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(areas[0] - areas[1]) / error))


def test_exchanging_the_models_turns_the_difference_around():
    first, second, labels = two_models(1)
    one, other = delong_test(first, second, labels), delong_test(second, first, labels)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.p_value == pytest.approx(other.p_value)


def test_ranks_alone_matter():
    first, second, labels = two_models(2)
    assert delong_test(np.exp(first), 3 * second - 7, labels) == delong_test(first, second, labels)


def test_equal_rankings_do_not_differ():
    first, _, labels = two_models(3)
    found = delong_test(first, np.tanh(first / 10), labels)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_perfect_against_reversed_differs_with_certainty():
    found = delong_test([0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1])
    assert (found.difference, found.standard_error, found.p_value) == (1.0, 0.0, 0.0)


def test_patients_with_one_image_each_change_nothing():
    first, second, labels = two_models(4)
    names = np.random.default_rng(0).permutation(len(labels)).astype(str)
    grouped, single = delong_test(first, second, labels, names), delong_test(first, second, labels)
    assert grouped.standard_error == pytest.approx(single.standard_error, rel=1e-12)


def clustered_variance(values: np.ndarray, labels: np.ndarray, owner: np.ndarray) -> float:
    """Variance of one area after Obuchowski 1997, written as loops over patients."""
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    won = {(i, j): (values[i] > values[j]) + 0.5 * (values[i] == values[j]) for i in positive for j in negative}
    area = np.mean(list(won.values()))
    carried, cleared, crossed = 0.0, 0.0, 0.0
    for patient in np.unique(owner):
        own_positive = [i for i in positive if owner[i] == patient]
        own_negative = [j for j in negative if owner[j] == patient]
        plus = sum(np.mean([won[i, j] for j in negative]) - area for i in own_positive)
        minus = sum(np.mean([won[i, j] for i in positive]) - area for j in own_negative)
        carried, cleared, crossed = carried + plus**2, cleared + minus**2, crossed + plus * minus
    counts = [len(np.unique(owner[group])) for group in (positive, negative)] + [len(np.unique(owner))]
    parts = [k / (k - 1) * total for k, total in zip(counts, (carried, cleared, crossed), strict=True)]
    m, n = len(positive), len(negative)
    return parts[0] / m**2 + parts[1] / n**2 + 2 * parts[2] / (m * n)


@pytest.mark.parametrize("seed", range(3))
def test_images_of_one_patient_are_summed_as_obuchowski_does(seed):
    first, second, labels = two_models(seed)
    owner = np.random.default_rng(seed).integers(0, 15, len(labels))
    _, covariance = area_covariance([first, second], labels, owner)
    assert covariance[0, 0] == pytest.approx(clustered_variance(first, labels, owner))
    assert covariance[1, 1] == pytest.approx(clustered_variance(second, labels, owner))
    assert covariance[0, 1] == pytest.approx(covariance[1, 0])


def test_two_patients_of_each_class_are_needed():
    with pytest.raises(ValueError, match=r"two patients .* got \[1, 3\]"):
        area_covariance([0.1, 0.2, 0.3, 0.9], [0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"two patients .* got \[1, 1\]"):
        area_covariance([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], ["a", "a", "b", "b"])


def test_patients_must_match_cases():
    with pytest.raises(ValueError, match="one patient per probability"):
        area_covariance([0.1, 0.2], [0, 1], ["a"])


def test_with_patients_the_test_keeps_its_level_where_single_images_would_not():
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(60), 5)
    labels = (owner % 2).astype(int)
    rejected = {"patients": 0, "images": 0}
    for _ in range(600):
        # Both models are equally good, and each is right or wrong about a patient rather than about an image.
        first, second = labels + rng.normal(size=(2, 60))[:, owner] + 0.5 * rng.normal(size=(2, 300))
        rejected["patients"] += delong_test(first, second, labels, owner).p_value < 0.05
        rejected["images"] += delong_test(first, second, labels).p_value < 0.05
    assert 0.03 < rejected["patients"] / 600 < 0.08
    assert rejected["images"] / 600 > 0.2
