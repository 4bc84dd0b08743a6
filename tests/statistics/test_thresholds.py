from __future__ import annotations

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.statistics import choose_threshold, diagnostic_metrics, selection_key


def at(probabilities, labels, policy):
    return diagnostic_metrics(probabilities, labels, choose_threshold(probabilities, labels, policy))


def test_screening_keeps_the_highest_specificity_with_sensitivity_of_at_least_095():
    # 20 positives: one may be missed. The lowest lies below 6 negatives, the second lowest below 2.
    positives = [0.15, 0.55, *np.linspace(0.6, 0.9, 18)]
    negatives = [0.1, 0.2, 0.3, 0.4, 0.5, 0.57, 0.95]
    labels = [1] * 20 + [0] * 7
    found = at([*positives, *negatives], labels, "screening")
    assert found["sensitivity"] == 0.95
    assert found["specificity"] == pytest.approx(5 / 7)
    assert choose_threshold([*positives, *negatives], labels) == pytest.approx((0.5 + 0.55) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_screening_agrees_with_trying_every_threshold(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(50) % 2
    probabilities = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 2)
    tried = [diagnostic_metrics(probabilities, labels, cut) for cut in probabilities]
    best = max(t["specificity"] for t in tried if t["sensitivity"] >= 0.95)
    assert at(probabilities, labels, "screening")["specificity"] == best


@pytest.mark.parametrize("seed", range(5))
def test_youden_agrees_with_trying_every_threshold(seed):
    rng = np.random.default_rng(seed)
    labels = (np.arange(50) % 3 == 0).astype(int)
    probabilities = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 2)
    tried = [diagnostic_metrics(probabilities, labels, cut) for cut in probabilities]
    found = at(probabilities, labels, "youden")
    assert found["sensitivity"] + found["specificity"] == max(t["sensitivity"] + t["specificity"] for t in tried)


def test_youden_prefers_the_more_sensitive_of_equally_good_thresholds():
    assert choose_threshold([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1], "youden") == pytest.approx(0.3)


def test_the_threshold_of_separable_cases_lies_midway():
    assert choose_threshold([0.0, 0.2, 0.6, 1.0], [0, 0, 1, 1]) == pytest.approx(0.4)


def test_half_ignores_the_cases():
    assert choose_threshold([0.9, 0.9], [0, 0], "half") == 0.5


@pytest.mark.parametrize("policy", ["screening", "youden"])
def test_equal_probabilities_are_all_called_positive(policy):
    assert at([0.3] * 4, [0, 1, 0, 1], policy)["sensitivity"] == 1.0


def test_neighboring_floats_stay_on_their_sides_of_the_threshold():
    low = 0.5
    high = np.nextafter(low, 1.0)
    assert low < choose_threshold([low, high], [0, 1]) <= high


def test_a_missing_class_is_named():
    with pytest.raises(InputError, match="no positive case"):
        choose_threshold([0.1, 0.2], [0, 0])


def test_an_unknown_policy_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="unknown threshold policy 'best'\nChoose one of: screening, youden, half"):
        choose_threshold([0.1, 0.9], [0, 1], "best")


# Each row: (sensitivity, specificity, auc), from the worst to the best.
CURVE = [
    (float("nan"), 0.99, 0.99),
    (0.0, 1.0, 0.5),
    (0.90, 0.99, 0.99),
    (0.949, 0.10, 0.60),
    (0.99, 0.40, 0.90),
    (0.95, 0.41, 0.80),
    (0.96, 0.70, 0.85),
    (0.95, 0.70, 0.90),
    (0.95, 0.71, float("nan")),
]


def test_models_are_ranked_by_sensitivity_until_095_then_by_specificity():
    ranked = sorted(CURVE[4:] + CURVE[:4], key=lambda model: selection_key(*model))
    assert [str(model) for model in ranked] == [str(model) for model in CURVE]
