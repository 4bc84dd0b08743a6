from __future__ import annotations

import numpy as np
import pytest

from medsynth.statistics import decision_curve, net_benefit

THRESHOLDS = np.array([0.05, 0.1, 0.25, 0.5, 0.9])


def cases(patients: int = 40, images: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(patients), images)
    probabilities = np.round(rng.beta(1, 2, patients)[owner], 2)
    return probabilities, (rng.random(len(owner)) < probabilities).astype(int), owner


def test_the_net_benefit_equals_a_loop_over_cases():
    probabilities, labels, _ = cases()
    for threshold, found in zip(THRESHOLDS, net_benefit(probabilities, labels, THRESHOLDS), strict=True):
        gained = sum(label == 1 for p, label in zip(probabilities, labels, strict=True) if p >= threshold)
        lost = sum(label == 0 for p, label in zip(probabilities, labels, strict=True) if p >= threshold)
        assert found == pytest.approx((gained - lost * threshold / (1 - threshold)) / len(labels))


def test_a_perfect_model_gains_every_positive_case_at_any_threshold():
    assert net_benefit([1.0, 0.0, 0.0, 1.0, 0.0], [1, 0, 0, 1, 0], THRESHOLDS) == pytest.approx([0.4] * 5)


def test_treating_everybody_is_worth_nothing_where_the_threshold_is_the_prevalence():
    labels = np.array([1] * 3 + [0] * 7)
    curve = decision_curve(np.full(10, 0.3), labels, np.arange(10), [0.1, 0.3, 0.6], resamples=10)
    assert curve.everybody[1] == pytest.approx(0.0)
    assert curve.everybody[0] > 0 > curve.everybody[2]


def test_a_model_that_calls_nobody_has_no_benefit_and_no_harm():
    assert net_benefit(np.zeros(6), [0, 1] * 3, THRESHOLDS).tolist() == [0.0] * 5


def test_the_interval_is_that_of_a_loop_over_the_same_resamples_of_patients():
    probabilities, labels, owner = cases(patients=9, images=3)
    curve = decision_curve(probabilities, labels, owner, THRESHOLDS, resamples=60, confidence=0.9, seed=4)
    draws = np.random.default_rng(4).integers(0, 9, (60, 9))
    rows = [np.concatenate([np.flatnonzero(owner == k) for k in draw]) for draw in draws]
    found = np.stack([net_benefit(probabilities[chosen], labels[chosen], THRESHOLDS) for chosen in rows])
    np.testing.assert_allclose(curve.low, np.quantile(found, 0.05, axis=0), atol=1e-12)
    np.testing.assert_allclose(curve.high, np.quantile(found, 0.95, axis=0), atol=1e-12)
    np.testing.assert_allclose(curve.model, net_benefit(probabilities, labels, THRESHOLDS), atol=1e-12)


def test_a_single_patient_gives_a_curve_without_interval():
    curve = decision_curve([0.2, 0.8], [0, 1], ["a", "a"], THRESHOLDS)
    assert np.isfinite(curve.model).all()
    assert np.isnan([curve.low, curve.high]).all()


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1.5])
def test_thresholds_lie_between_zero_and_one(threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        net_benefit([0.2, 0.8], [0, 1], [threshold])
