from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from medsynth_diagnostic import DiagnosticConfig
from medsynth_diagnostic.model import Diagnostic
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_calibration_error

from medsynth.api import Evidence, ImageSet, Predictions
from medsynth.cli.run import show_scores
from medsynth.report.tables import Cell, cell
from medsynth.report.verdict import is_few, verdict
from medsynth.statistics import (
    FURTHER_METRICS,
    INTERVALS,
    METRICS,
    bootstrap_diagnostic,
    diagnostic_metrics,
)
from medsynth.studies.comparison import ComparedCell
from medsynth.studies.comparison_files import cell_text


def apart(given: Predictions) -> float:
    probabilities, labels = torch.tensor(given.probabilities), torch.tensor(given.labels)
    return float(binary_calibration_error(probabilities, labels, n_bins=10, norm="l1"))


NOTHING = ImageSet(
    images=np.zeros((0, 1, 8, 8), np.float32),
    labels=np.zeros(0, int),
    patients=np.zeros(0, object),
    names=np.zeros(0, object),
)


def predictions(seed: int = 0, patients: int = 20, images: int = 2, threshold: float = 0.4) -> Predictions:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), images)
    labels = (owner + np.arange(len(owner)) * (patients == 1)) % 2
    return Predictions(
        probabilities=np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1),
        labels=labels,
        patients=np.array([f"p{k}" for k in owner], dtype=object),
        threshold=threshold,
    )


def evidence(seed: int = 3, **subjects: Predictions) -> Evidence:
    return Evidence(
        real=NOTHING,
        source=NOTHING,
        synthetic=NOTHING,
        truth=None,
        training=NOTHING,
        predictions={name.replace("_", "-"): value for name, value in subjects.items()},
        networks={},
        extractor=lambda name: pytest.fail("not needed"),
        seed=seed,
    )


def judged(*, seed: int = 3, interval: str = "percentile", **subjects: Predictions) -> dict:
    found = Diagnostic(DiagnosticConfig(resamples=200, interval=interval)).scores(evidence(seed, **subjects))
    return {(score.subject, score.name): score for score in found}


def test_every_subject_gets_all_metrics_and_its_threshold():
    found = judged(synthetic=predictions(0), real_only=predictions(1), oracle=predictions(2))
    names = (*METRICS, *FURTHER_METRICS, "threshold")
    assert set(found) == {(s, m) for s in ("synthetic", "real-only", "oracle") for m in names}


def test_values_and_intervals_are_those_of_the_statistics():
    given = predictions()
    found = judged(synthetic=given)
    values = diagnostic_metrics(given.probabilities, given.labels, 0.4)
    bootstrap = bootstrap_diagnostic(
        given.probabilities, given.labels, given.patients, threshold=0.4, resamples=200, seed=3
    )
    for name in METRICS:
        score = found["synthetic", name]
        assert score.value == values[name]
        assert (score.low, score.high) == bootstrap.interval(name)
        assert score.low <= score.value <= score.high


def test_further_metrics_are_those_of_scikit_learn():
    given = predictions()
    found = judged(synthetic=given)
    expected = {
        "pr_auc": sk.average_precision_score(given.labels, given.probabilities),
        "mcc": sk.matthews_corrcoef(given.labels, given.probabilities >= 0.4),
        "brier_score": sk.brier_score_loss(given.labels, given.probabilities),
        "calibration_error": apart(given),
    }
    assert {name: found["synthetic", name].value for name in FURTHER_METRICS} == pytest.approx(expected)
    assert [found["synthetic", name].higher_is_better for name in FURTHER_METRICS] == [True, True, False, False]


def test_the_calibration_error_has_no_interval_and_says_why():
    score = judged(synthetic=predictions())["synthetic", "calibration_error"]
    assert (score.low, score.high) == (None, None)
    assert "without interval" in score.detail


def test_bca_intervals_are_those_of_the_statistics_and_named():
    given = predictions()
    found = judged(synthetic=given, interval="bca")
    bootstrap = bootstrap_diagnostic(
        given.probabilities, given.labels, given.patients, threshold=0.4, resamples=200, seed=3, leave_one_out=True
    )
    for name in METRICS:
        score = found["synthetic", name]
        assert (score.low, score.high) == bootstrap.interval(name, kind="bca")
        assert "95 % BCa interval" in score.detail
    assert found["synthetic", "f1"].low != judged(synthetic=given)["synthetic", "f1"].low


def test_a_figure_that_all_resamples_lie_below_falls_back_to_the_percentile_interval_and_says_so(monkeypatch):
    monkeypatch.setattr("medsynth.statistics.bootstrap.bca_interval", lambda *_: (np.nan, np.nan))
    score = judged(synthetic=predictions(), interval="bca")["synthetic", "f1"]
    plain = judged(synthetic=predictions())["synthetic", "f1"]
    assert (score.low, score.high) == (plain.low, plain.high)
    assert "f1 with a percentile interval" in score.detail


@pytest.mark.parametrize("interval", INTERVALS)
def test_permuted_labels_give_an_area_whose_interval_contains_one_half(interval):
    given = predictions(patients=40)
    by_patient = np.random.default_rng(0).permutation(np.arange(40) % 2)
    permuted = dataclasses.replace(given, labels=np.repeat(by_patient, 2))
    found = judged(synthetic=given, real_only=permuted, interval=interval)
    assert found["synthetic", "roc_auc"].low > 0.5
    assert found["real-only", "roc_auc"].low < 0.5 < found["real-only", "roc_auc"].high


def test_each_metric_reports_n_direction_patients_and_resamples():
    score = judged(synthetic=predictions())["synthetic", "f1"]
    assert score.n == 40
    assert score.higher_is_better is True
    assert "20 of 40 images positive; 20 patients, 10 with positive images" in score.detail
    assert "95 % interval from 200 resamples of patients" in score.detail


def test_the_threshold_has_no_interval_and_no_direction():
    score = judged(synthetic=predictions(threshold=0.7))["synthetic", "threshold"]
    assert (score.value, score.low, score.high, score.higher_is_better) == (0.7, None, None, None)


def test_scores_repeat_exactly_and_intervals_depend_on_the_seed():
    first, again, other = (judged(synthetic=predictions(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert other["synthetic", "roc_auc"].value == first["synthetic", "roc_auc"].value
    assert other["synthetic", "roc_auc"].low != first["synthetic", "roc_auc"].low


def test_a_single_patient_gives_values_without_intervals():
    found = judged(synthetic=predictions(patients=1, images=10))
    assert found["synthetic", "accuracy"].low is None
    assert found["synthetic", "accuracy"].detail.startswith("not enough cases: 1 patients with positive")


def test_two_images_are_not_enough_cases_for_an_auc(capsys):
    two = predictions(patients=2, images=1)
    assert sorted(two.labels) == [0, 1]
    score = judged(synthetic=two)["synthetic", "roc_auc"]
    assert math.isnan(score.value)
    show_scores([score])
    assert " not enough cases " in capsys.readouterr().out
    assert (score.low, score.high) == (None, None)
    assert cell(score) == Cell("not enough cases")
    assert cell_text(ComparedCell(values={"1": score.value}, few=is_few(score))) == "not enough cases"
    sentence = verdict([score]).sentence
    assert sentence.startswith("Not enough cases: 1 patients with positive and 1 with negative images, 2 of each")
    assert sentence.endswith("so nothing can be said about the value of synthesis.")


def test_resamples_without_both_classes_are_reported():
    score = judged(synthetic=predictions(patients=4))["synthetic", "roc_auc"]
    assert "without both classes left out" in score.detail


def test_equal_probabilities_give_an_area_of_one_half_without_spread():
    given = Predictions(
        probabilities=np.full(12, 0.5), labels=np.arange(12) % 2, patients=np.arange(12).astype(str), threshold=0.5
    )
    score = judged(synthetic=given)["synthetic", "roc_auc"]
    assert (score.value, score.low, score.high) == (0.5, 0.5, 0.5)


def grouped(**columns: list[str]) -> Predictions:
    """Ten patients of each center "a" and "b" and one of "c", two images each."""
    given = predictions(patients=21)
    centers = np.repeat(["a"] * 10 + ["b"] * 10 + ["c"], 2)
    return dataclasses.replace(given, groups={"center": centers.astype(object)} | columns)


def by_column(*, minimum: int = 5, **subjects: Predictions) -> dict:
    config = DiagnosticConfig(resamples=200, group_minimum=minimum)
    found = Diagnostic(config).scores(evidence(**subjects))
    return {(s.evaluator, s.subject, s.name): s for s in found if s.evaluator != "diagnostic"}


def test_groups_are_scored_as_if_there_were_nothing_else():
    given = grouped()
    found = by_column(synthetic=given)
    rows = given.groups["center"] == "b"
    alone = bootstrap_diagnostic(
        given.probabilities[rows], given.labels[rows], given.patients[rows], threshold=0.4, resamples=200, seed=3
    )
    for name in ("sensitivity", "specificity", "roc_auc"):
        score = found["diagnostic by center", "synthetic, b", name]
        assert (score.value, score.low, score.high) == (alone.estimates[name], *alone.interval(name))
        assert score.n == 20


def test_every_subject_is_scored_by_group_with_the_figures_that_no_prevalence_changes():
    found = by_column(synthetic=grouped(), real_only=grouped())
    names = ("sensitivity", "specificity", "roc_auc")
    subjects = [f"{subject}, {group}" for subject in ("synthetic", "real-only") for group in "ab"]
    expected = {("diagnostic by center", s, n) for s in subjects for n in names}
    assert set(found) == expected | {("diagnostic by center", "test images", "groups")}


def test_groups_with_too_few_images_of_a_class_are_named_with_their_counts():
    score = by_column(synthetic=grouped())["diagnostic by center", "test images", "groups"]
    assert score.value == 2
    assert "at least 5 images of either class; left out: c (0 positive, 2 negative)" in score.detail


def test_group_scores_can_be_switched_off():
    assert by_column(minimum=0, synthetic=grouped()) == {}
