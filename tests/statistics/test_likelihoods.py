"""The arithmetic of screening."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsynth.statistics.scores.likelihoods import (
    CONSEQUENCES,
    LIKELIHOODS,
    consequences,
    likelihood_ratios,
    ratio_interval,
    score_name,
    screening_at,
)

RATE = st.floats(0.01, 0.99)


@pytest.mark.parametrize(
    ("prevalence", "ppv", "npv", "positive", "needed"),
    [
        (0.0002, 0.71, 99.9999, 2.80, 5025.1),
        (0.09, 77.97, 99.95, 11.48, 11.17),
        (0.308, 94.09, 99.77, 32.57, 3.26),
        (0.40, 95.98, 99.66, 41.47, 2.51),
    ],
)
def test_it_reproduces_the_papers_table_7(prevalence, ppv, npv, positive, needed):
    row = screening_at(0.9950, 0.9722, prevalence)
    assert 100 * row.ppv == pytest.approx(ppv, abs=0.006)
    assert 100 * row.npv == pytest.approx(npv, abs=0.006)
    assert 100 * row.screen_positive == pytest.approx(positive, abs=0.006)
    assert row.number_needed == pytest.approx(needed, rel=2e-3)


def test_it_reproduces_the_papers_likelihood_ratio():
    assert likelihood_ratios(0.9950, 0.9722)["positive_likelihood_ratio"] == pytest.approx(35.79, abs=0.005)


@given(RATE, RATE, RATE)
def test_it_agrees_with_counting_a_million_persons(sensitivity, specificity, prevalence):
    diseased, healthy = 1e6 * prevalence, 1e6 * (1 - prevalence)
    tp, fp = sensitivity * diseased, healthy - specificity * healthy
    fn, tn = diseased - tp, healthy - fp
    found = screening_at(sensitivity, specificity, prevalence)
    assert found.ppv == pytest.approx(tp / (tp + fp))
    assert found.npv == pytest.approx(tn / (tn + fn))
    assert found.screen_positive == pytest.approx((tp + fp) / 1e6)
    assert found.number_needed == pytest.approx(1e6 / tp)
    assert found.false_per_true == pytest.approx(fp / tp)


@given(RATE, RATE, RATE)
def test_likelihood_ratios_turn_the_odds_before_a_call_into_those_after_it(sensitivity, specificity, prevalence):
    after = screening_at(sensitivity, specificity, prevalence)
    ratios = likelihood_ratios(sensitivity, specificity)
    before = prevalence / (1 - prevalence)
    assert before * ratios["positive_likelihood_ratio"] == pytest.approx(after.ppv / (1 - after.ppv))
    assert before * ratios["negative_likelihood_ratio"] == pytest.approx((1 - after.npv) / after.npv)
    quotient = ratios["positive_likelihood_ratio"] / ratios["negative_likelihood_ratio"]
    assert ratios["diagnostic_odds_ratio"] == pytest.approx(quotient)


def test_resamples_are_carried_through_one_by_one():
    rng = np.random.default_rng(0)
    true, cleared = rng.uniform(0.5, 1, (2, 7))
    at_once = consequences(true[:, None], cleared[:, None], [0.01, 0.3])
    assert set(at_once) == set(CONSEQUENCES)
    for row in range(7):
        for column, prevalence in enumerate((0.01, 0.3)):
            alone = screening_at(true[row], cleared[row], prevalence)
            assert [at_once[name][row, column] for name in CONSEQUENCES] == [getattr(alone, n) for n in CONSEQUENCES]


def test_a_test_without_false_positives_has_an_infinite_likelihood_ratio():
    found = likelihood_ratios(0.9, 1.0)
    assert set(found) == set(LIKELIHOODS)
    assert found["positive_likelihood_ratio"] == found["diagnostic_odds_ratio"] == np.inf
    assert screening_at(0.9, 1.0, 0.1).false_per_true == 0.0


def test_nothing_divided_by_nothing_is_not_a_number():
    assert np.isnan(likelihood_ratios(0.0, 1.0)["positive_likelihood_ratio"])
    assert np.isnan(screening_at(0.0, 1.0, 0.1).ppv)
    assert np.isnan(screening_at(1.0, 0.0, 0.1).npv)
    assert screening_at(0.0, 1.0, 0.1).number_needed == np.inf


def test_an_interval_of_ratios_may_end_at_infinity():
    values = np.array([*np.linspace(10.0, 20.0, 60), *[np.inf] * 40, np.nan])
    low, high = ratio_interval(values)
    assert 10.0 < low < 11.0
    assert high == np.inf
    assert ratio_interval([np.inf, np.inf]) == (np.inf, np.inf)


def test_an_interval_of_finite_ratios_is_the_percentile_interval():
    values = np.random.default_rng(1).lognormal(size=5000)
    assert ratio_interval(values, 0.9) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])), rel=1e-3)


def test_names_say_the_prevalence_in_percent():
    assert [score_name("ppv", p) for p in (0.0002, 0.07, 0.308)] == ["ppv_at_0.02%", "ppv_at_7%", "ppv_at_30.8%"]
