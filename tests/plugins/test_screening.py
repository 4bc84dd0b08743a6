"""Evaluator screening."""

from __future__ import annotations

import numpy as np
import pytest
from medsynth_screening import ScreeningConfig
from medsynth_screening.model import ScreeningByPrevalence

from medsynth.api import Predictions
from medsynth.base.configuration import resolve
from medsynth.base.errors import InputError
from medsynth.statistics import patient_draws
from medsynth.statistics.scores.likelihoods import likelihood_ratios, screening_at


def predictions(true: int, false: int, *, cases: int = 40, per_patient: int = 1) -> Predictions:
    """Return decisions that find `true` of the positive and call `false` of the negative cases positive."""
    called = np.concatenate([np.arange(cases) < true, np.arange(cases) < false])
    return Predictions(
        probabilities=np.where(called, 0.9, 0.1),
        labels=np.repeat([1, 0], cases),
        patients=np.array([f"p{k // per_patient}" for k in range(2 * cases)], dtype=object),
        threshold=0.5,
    )


def scores(given, **options) -> dict:
    found = ScreeningByPrevalence(ScreeningConfig(**options)).scores(given)
    return {(score.subject, score.name): score for score in found}


def test_every_subject_gets_ratios_and_all_consequences_by_prevalence(judged):
    found = scores(judged({"synthetic": predictions(36, 4), "real-only": predictions(30, 8)}), resamples=100)
    assert len(found) == 2 * (3 + 5 * 5)
    for subject, rates in (("synthetic", (0.9, 0.9)), ("real-only", (0.75, 0.8))):
        row = screening_at(*rates, 0.308)
        assert found[subject, "ppv_at_30.8%"].value == pytest.approx(row.ppv)
        assert found[subject, "number_needed_at_30.8%"].value == pytest.approx(row.number_needed)
        ratios = likelihood_ratios(*rates)
        assert found[subject, "diagnostic_odds_ratio"].value == pytest.approx(float(ratios["diagnostic_odds_ratio"]))


def test_intervals_are_those_of_a_loop_over_resamples_of_patients(judged):
    given = predictions(30, 10, per_patient=4)
    owner = np.unique(given.patients, return_inverse=True)[1]
    called, positive = given.probabilities >= 0.5, given.labels == 1
    values = []
    for draw in np.concatenate(list(patient_draws(20, 150, seed=3))):
        rows = np.concatenate([np.flatnonzero(owner == patient) for patient in draw])
        rates = called[rows][positive[rows]].mean(), 1 - called[rows][~positive[rows]].mean()
        values.append(screening_at(*rates, 0.05).ppv)
    score = scores(judged({"synthetic": given}), prevalences=(0.05,), resamples=150)["synthetic", "ppv_at_5%"]
    assert (score.low, score.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert score.n == 80


def test_the_interval_of_both_rates_together_is_narrower_than_their_worst_case(judged):
    given = predictions(30, 10)
    score = scores(judged({"synthetic": given}), prevalences=(0.3,))["synthetic", "ppv_at_30%"]
    ends = np.quantile(np.random.default_rng(0).binomial(40, 0.75, 100_000) / 40, [0.025, 0.975])
    worst = [screening_at(end, end, 0.3).ppv for end in ends]
    assert worst[0] < score.low < score.value < score.high < worst[1]


def test_without_false_positives_the_detail_says_which_end_is_infinite(judged):
    found = scores(judged({"synthetic": predictions(30, 1)}), resamples=200)
    score = found["synthetic", "positive_likelihood_ratio"]
    assert score.value == pytest.approx(30.0)
    assert score.high == np.inf
    assert "upper end infinite" in score.detail
    assert "infinite" not in found["synthetic", "ppv_at_9%"].detail
    perfect = scores(judged({"synthetic": predictions(40, 0)}), resamples=200)
    assert "value and lower end and upper end infinite" in perfect["synthetic", "positive_likelihood_ratio"].detail


def test_a_single_patient_gives_values_without_intervals(judged):
    score = scores(judged({"synthetic": predictions(30, 10, per_patient=80)}))["synthetic", "npv_at_1%"]
    assert (score.low, score.high) == (None, None)
    assert "no interval from a single patient" in score.detail


def test_prevalences_are_an_option_and_must_be_shares():
    asked = resolve(ScreeningConfig, [{"prevalences": "0.001, 0.5"}], where="evaluators.screening")
    assert asked.prevalences == (0.001, 0.5)
    with pytest.raises(InputError, match="prevalences has 9, which is no share between 0 and 1"):
        resolve(ScreeningConfig, [{"prevalences": "9"}], where="evaluators.screening")
