from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from medsynth.base.errors import InputError
from medsynth.statistics import TEMPERATURES, fit_temperature
from medsynth.statistics.scores.calibration import binned_differences


def expected_calibration_error(probabilities, labels):
    differences = binned_differences(np.asarray(probabilities), np.asarray(labels) == 1)
    return np.abs(differences.sum(axis=0)).sum() / len(labels)


def cases(seed: int, n: int = 80, truth: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Margins that are `truth` times too large for their labels."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0.0, 2.0, n)
    return honest * truth, (rng.random(n) < expit(honest)).astype(int)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("truth", [0.5, 3.0])
def test_the_temperature_equals_scikit_learns_logistic_regression_through_the_origin(seed, truth):
    margins, labels = cases(seed, truth=truth)
    positives, negatives = labels.sum(), (1 - labels).sum()
    shares = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # a target of 0.9 is nine tenths of a positive case and one tenth of a negative one
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(
        np.concatenate([margins, margins])[:, None],
        np.repeat([1, 0], len(margins)),
        sample_weight=np.concatenate([shares, 1 - shares]),
    )
    assert fit_temperature(margins, labels) == pytest.approx(1 / model.coef_[0, 0], rel=1e-4)


def test_two_margins_have_the_closed_form():
    # 9 of 10 with margin 4 are positive, 1 of 10 with margin -4: symmetric, so the sigmoid at 4 / t is the mean target
    margins = np.repeat([4.0, -4.0], 10)
    labels = np.array([1] * 9 + [0] + [0] * 9 + [1])
    share = (9 * 11 / 12 + 1 / 12) / 10
    assert fit_temperature(margins, labels) == pytest.approx(4 / np.log(share / (1 - share)), rel=1e-9)


def test_overconfident_probabilities_become_as_frequent_as_they_say():
    margins, labels = cases(0, n=20_000)
    temperature = fit_temperature(margins, labels)
    assert temperature == pytest.approx(3.0, abs=0.1)

    def gap(probabilities: np.ndarray) -> float:
        frequent, said = calibration_curve(labels, probabilities, n_bins=8)
        return float(np.abs(frequent - said).max())

    assert gap(expit(margins / temperature)) < 0.03 < 0.2 < gap(expit(margins))


def test_faultless_cases_do_not_make_certain():
    margins, labels = np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0, 0, 1, 1])
    assert expit(3.0 / fit_temperature(margins, labels)) < 0.9


def test_the_temperature_stays_within_its_bounds():
    margins, labels = cases(0)
    assert fit_temperature(-margins, labels) == TEMPERATURES[1]
    assert fit_temperature(margins * 1e-3, labels) == TEMPERATURES[0]


def test_margins_of_zero_stay_as_they_are():
    assert fit_temperature(np.zeros(4), [0, 1, 0, 1]) == 1.0


def test_a_missing_class_is_named():
    with pytest.raises(InputError, match="no negative case"):
        fit_temperature([0.5, 1.0], [1, 1])


@pytest.mark.parametrize("seed", range(4))
def test_the_calibration_error_equals_a_loop_over_bins(seed):
    rng = np.random.default_rng(seed)
    probabilities = np.append(np.round(rng.random(60), 1), [0.0, 1.0])
    labels = (rng.random(62) < 0.4).astype(int)
    error = 0.0
    for k in range(10):
        # in tenths and whole numbers, so that edges are exact: [a, b), the last one closed
        tenths = np.round(10 * probabilities)
        inside = (tenths == k) | ((k == 9) & (tenths == 10))
        if inside.any():
            error += inside.mean() * abs(probabilities[inside].mean() - labels[inside].mean())
    assert expected_calibration_error(probabilities, labels) == pytest.approx(error, abs=1e-12)


def test_probabilities_that_say_too_much_have_a_calibration_error_and_honest_ones_hardly_any():
    margins, labels = cases(0, n=20_000)
    assert expected_calibration_error(expit(margins), labels) > 0.1
    assert expected_calibration_error(expit(margins / 3.0), labels) < 0.02


def test_certain_and_wrong_has_a_calibration_error_of_one():
    assert expected_calibration_error([0.0, 1.0], [1, 0]) == 1.0
