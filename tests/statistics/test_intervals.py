from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medsynth.statistics import bca_interval, bootstrap_diagnostic, percentile_interval

SKEWED = np.random.default_rng(3).exponential(size=25)


def resampled(statistic, draws: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([statistic(rng.choice(SKEWED, len(SKEWED))) for _ in range(draws)])


def without_each(statistic) -> list[float]:
    return [statistic(np.delete(SKEWED, k)) for k in range(len(SKEWED))]


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("statistic", [np.mean, np.std, np.median])
def test_the_bca_interval_equals_scipys_on_the_same_resamples(statistic, confidence):
    values = resampled(statistic)
    found = bca_interval(values, statistic(SKEWED), without_each(statistic), confidence)
    known = stats.bootstrap(
        (SKEWED,),
        statistic,
        n_resamples=0,
        method="BCa",
        confidence_level=confidence,
        bootstrap_result=stats._resampling.BootstrapResult(
            confidence_interval=None, bootstrap_distribution=values, standard_error=None
        ),
    )
    assert found == pytest.approx(tuple(known.confidence_interval), abs=1e-9)


def test_it_moves_towards_the_long_tail_where_the_percentile_interval_does_not():
    values = resampled(np.mean)
    corrected = bca_interval(values, SKEWED.mean(), without_each(np.mean))
    plain = percentile_interval(values)
    assert corrected[0] > plain[0]
    assert corrected[1] > plain[1]


def test_without_bias_and_skewness_it_is_the_percentile_interval():
    values = np.linspace(-1.0, 1.0, 2001)
    found = bca_interval(values, 0.0, [-0.1, 0.0, 0.1])
    assert found == pytest.approx(percentile_interval(values), abs=1e-9)


def test_jackknife_values_that_differ_by_rounding_only_do_not_accelerate():
    values = np.linspace(-1.0, 1.0, 2001)
    found = bca_interval(values, 0.0, [0.3, 0.3, np.nextafter(0.3, 1.0)])
    assert found == pytest.approx(percentile_interval(values), abs=1e-9)


def test_resamples_that_all_equal_the_estimate_give_an_interval_without_width():
    assert bca_interval(np.full(50, 0.7), 0.7, np.full(5, 0.7)) == (0.7, 0.7)


def test_an_estimate_outside_all_resamples_has_no_bca_interval():
    assert np.isnan(bca_interval([0.2, 0.3], 0.1, [0.1, 0.2])).all()
    assert np.isnan(bca_interval([0.2, 0.3], 0.4, [0.1, 0.2])).all()


def test_nan_is_left_out_and_nothing_else_gives_nan():
    values, left_out = np.linspace(0.0, 1.0, 101), np.array([0.4, 0.5, 0.7])
    expected = bca_interval(values, 0.5, left_out)
    assert bca_interval([*values, np.nan], 0.5, [*left_out, np.nan]) == expected
    assert np.isnan(bca_interval([np.nan], 0.5, left_out)).all()
    assert np.isnan(bca_interval(values, np.nan, left_out)).all()


def test_a_bca_interval_is_refused_where_nobody_was_left_out():
    found = bootstrap_diagnostic([0.1, 0.9, 0.4, 0.6], [0, 1, 0, 1], ["a", "b", "c", "d"], threshold=0.5, resamples=20)
    with pytest.raises(ValueError, match="leave_one_out=True"):
        found.interval("roc_auc", kind="bca")
