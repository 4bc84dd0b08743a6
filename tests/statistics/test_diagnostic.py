from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from medsynth.statistics import METRICS, confusion, diagnostic_metrics, matthews_correlation, roc_auc, roc_curve


def cases(seed: int, n: int = 60, levels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and labels of both classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0).astype(np.int64)
    return np.clip(np.round(rng.random(n) * levels + labels) / levels, 0, 1), labels


@pytest.mark.parametrize("seed", range(4))
def test_all_metrics_equal_scikit_learn(seed):
    probabilities, labels = cases(seed)
    called = probabilities >= 0.6
    expected = {
        "accuracy": sk.accuracy_score(labels, called),
        "sensitivity": sk.recall_score(labels, called),
        "specificity": sk.recall_score(labels, called, pos_label=0),
        "precision": sk.precision_score(labels, called),
        "f1": sk.f1_score(labels, called),
        "roc_auc": sk.roc_auc_score(labels, probabilities),
    }
    found = diagnostic_metrics(probabilities, labels, 0.6)
    assert tuple(found) == METRICS
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_weighted_metrics_equal_scikit_learn_with_sample_weights(seed):
    probabilities, labels = cases(seed)
    weights = np.random.default_rng(seed + 100).random(len(labels))
    found = diagnostic_metrics(probabilities, labels, 0.6, weights)
    called = probabilities >= 0.6
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(labels, probabilities, sample_weight=weights), abs=1e-12)
    assert found["f1"] == pytest.approx(sk.f1_score(labels, called, sample_weight=weights), abs=1e-12)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, called, sample_weight=weights), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_matthews_correlation_is_the_correlation_of_decisions_and_labels(seed):
    probabilities, labels = cases(seed)
    expected = np.corrcoef(probabilities >= 0.6, labels)[0, 1]
    assert matthews_correlation(confusion(probabilities, labels, 0.6)) == pytest.approx(expected, abs=1e-12)


def test_matthews_correlation_is_zero_where_all_cases_are_called_alike():
    assert matthews_correlation(confusion([0.1, 0.2], [0, 1], 0.5)) == 0.0


def test_area_under_the_curve_counts_ties_one_half():
    assert roc_auc([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]) == 0.875


def test_equal_probabilities_everywhere_give_an_area_of_one_half():
    assert roc_auc(np.full(10, 0.3), np.arange(10) % 2) == 0.5


def test_a_probability_equal_to_the_threshold_is_called_positive():
    counts = confusion([0.5, 0.5, 0.4], [1, 0, 1], 0.5)
    assert (counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative) == (1, 1, 1, 0)


@pytest.mark.parametrize(("label", "undefined"), [(0, {"sensitivity", "roc_auc"}), (1, {"specificity", "roc_auc"})])
def test_an_absent_class_makes_only_its_metrics_undefined(label, undefined):
    found = diagnostic_metrics([0.2, 0.4], [label, label], 0.5)
    assert {name for name, value in found.items() if np.isnan(value)} == undefined


def test_precision_is_zero_when_nothing_is_called_positive():
    assert diagnostic_metrics([0.1, 0.2], [0, 1], 0.5)["precision"] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_equals_scikit_learn(seed):
    probabilities, labels = cases(seed)
    false, true, thresholds = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    found = roc_curve(probabilities, labels)
    np.testing.assert_allclose(found.false_positive_rate, false, atol=1e-12)
    np.testing.assert_allclose(found.sensitivity, true, atol=1e-12)
    np.testing.assert_array_equal(found.thresholds, thresholds)


def test_the_curve_of_equal_probabilities_is_the_diagonal():
    found = roc_curve([0.3, 0.3, 0.3], [0, 1, 1])
    assert found.false_positive_rate.tolist() == [0, 1]
    assert found.sensitivity.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.1, np.nan], [0, 1], "1 of 2 probabilities are not finite"),
        ([0.1, 0.2], [0, 2], "labels must be 0 or 1"),
        ([0.1, 0.2], [0], "one label per probability"),
    ],
)
def test_unusable_cases_are_refused(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        roc_auc(probabilities, labels)
