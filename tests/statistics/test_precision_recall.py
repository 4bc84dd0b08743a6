from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from medsynth.statistics.scores.precision_recall import weighted_average_precision


def average_precision(probabilities, labels, weights=None):
    each = np.ones(len(labels)) if weights is None else weights
    return weighted_average_precision(np.asarray(probabilities), np.asarray(labels) == 1, each[:, None])[0]


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_equals_scikit_learns_with_ties_and_weights(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(70) < 0.3).astype(int)
    probabilities = np.round(rng.random(70) * 0.7 + 0.3 * labels, 1)
    weights = rng.integers(0, 4, 70)
    known = average_precision_score(labels, probabilities)
    assert average_precision(probabilities, labels) == pytest.approx(known, abs=1e-12)
    known = average_precision_score(labels, probabilities, sample_weight=weights)
    assert average_precision(probabilities, labels, weights) == pytest.approx(known, abs=1e-12)


def test_four_cases_by_hand():
    # The positive ones come first and third: precision 1 and 2/3.
    assert average_precision([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]) == pytest.approx((1 + 2 / 3) / 2)


def test_equal_probabilities_give_the_share_of_positive_cases():
    assert average_precision(np.full(8, 0.5), [1, 0, 0, 0] * 2) == pytest.approx(0.25)


def test_it_is_nan_without_a_positive_case():
    assert np.isnan(average_precision([0.2, 0.3], [0, 0]))
