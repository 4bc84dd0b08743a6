from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from medsynth.statistics import (
    FURTHER_METRICS,
    METRICS,
    bootstrap_p_value,
    differences,
    holm,
    mcnemar_test,
    paired_bootstrap,
    patient_draws,
)


def two_models(seed: int = 0, patients: int = 30, images: int = 2, gain: float = 1.5):
    """Probabilities of two models, labels and patients; both see the same difficulty of each patient."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), images)
    labels = (owner % 2).astype(np.int64)
    hard = rng.normal(size=patients)[owner]
    first, second = (stats.logistic.cdf(g * (labels - 0.5) + hard + rng.normal(size=len(owner))) for g in (gain, 1.0))
    return first, second, labels, owner


def test_each_difference_is_that_of_both_models_on_the_same_patients():
    first, second, labels, owner = two_models()
    found = paired_bootstrap(first, second, labels, owner, thresholds=(0.5, 0.4), resamples=30, seed=2)
    (draws,) = patient_draws(30, 30, seed=2)
    for index, draw in enumerate(draws):
        rows = np.concatenate([np.flatnonzero(owner == k) for k in draw])
        truth = labels[rows]
        areas = [sk.roc_auc_score(truth, model[rows]) for model in (first, second)]
        accuracy = [
            sk.accuracy_score(truth, model[rows] >= cut) for model, cut in zip((first, second), (0.5, 0.4), strict=True)
        ]
        assert found.values["roc_auc"][index] == pytest.approx(areas[0] - areas[1], abs=1e-12)
        assert found.values["accuracy"][index] == pytest.approx(accuracy[0] - accuracy[1], abs=1e-12)


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_every_metric_is_compared_and_the_interval_holds_the_estimate(kind):
    first, second, labels, owner = two_models()
    resampled = paired_bootstrap(
        first, second, labels, owner, thresholds=(0.5, 0.5), resamples=500, leave_one_out=kind == "bca"
    )
    found = differences(resampled, kind=kind)
    assert set(found) == {*METRICS, *FURTHER_METRICS}
    assert all(row.low <= row.value <= row.high for row in found.values())
    assert found["roc_auc"].value == pytest.approx(sk.roc_auc_score(labels, first) - sk.roc_auc_score(labels, second))


def test_a_model_does_not_differ_from_itself():
    first, _, labels, owner = two_models()
    resampled = paired_bootstrap(first, first, labels, owner, thresholds=(0.5, 0.5), resamples=50)
    for row in differences(resampled).values():
        assert (row.value, row.low, row.high, row.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_pairing_sees_a_difference_that_separate_intervals_do_not():
    first, second, labels, owner = two_models(patients=200, gain=1.7)
    resampled = paired_bootstrap(first, second, labels, owner, thresholds=(0.5, 0.5), resamples=1000)
    own = [
        paired_bootstrap(model, np.full(400, 0.5), labels, owner, thresholds=(0.5, 0.5), resamples=1000).interval(
            "roc_auc"
        )
        for model in (first, second)
    ]
    found = differences(resampled)["roc_auc"]
    assert own[0][0] < own[1][1]
    assert found.low > 0
    assert found.p_value < 0.05


def test_the_p_value_is_twice_the_rarer_side_with_the_data_as_one_more_resample():
    assert bootstrap_p_value([1.0, 2.0, 3.0, -1.0, np.nan]) == pytest.approx(2 * (1 + 1) / (4 + 1))
    assert bootstrap_p_value(np.ones(99)) == pytest.approx(0.02)
    assert bootstrap_p_value([0.0, 0.0, 1.0]) == 1.0
    assert np.isnan(bootstrap_p_value([np.nan]))


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (3, 9), (12, 12), (15, 4)])
def test_mcnemars_p_value_is_the_sum_of_binomial_chances(only_first, only_second):
    both = [True] * 7 + [False] * 5
    first = [True] * only_first + [False] * only_second + both
    second = [False] * only_first + [True] * only_second + both
    found = mcnemar_test(first, second)
    total, rarer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(total, k) for k in range(rarer + 1)) / 2**total
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_needs_both_decisions_of_every_case():
    with pytest.raises(ValueError, match="both decisions"):
        mcnemar_test([True], [True, False])


@pytest.mark.parametrize("seed", range(5))
def test_holms_values_reject_what_stepping_down_rejects(seed):
    rng = np.random.default_rng(seed)
    given = np.round(rng.random(8) ** 3, 3)
    adjusted = holm(given)
    for level in (0.01, 0.05, 0.2, 0.5):
        rejected = set()
        for step, index in enumerate(np.argsort(given, kind="stable")):
            if given[index] * (8 - step) > level:
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(adjusted <= level).tolist()) == rejected


def test_holm_by_hand():
    assert holm([0.01, 0.02, 0.03, 0.04]).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_comparisons_that_could_not_be_made_are_not_counted_by_holm():
    found = holm([0.02, np.nan, 0.5])
    assert found[[0, 2]].tolist() == [0.04, 0.5]
    assert np.isnan(found[1])


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="p-values"):
        holm([0.5, 1.2])
