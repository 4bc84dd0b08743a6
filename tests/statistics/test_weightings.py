from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_calibration_error

from medsynth.statistics import FURTHER_METRICS, LESS_IS_BETTER, METRICS, bootstrap_diagnostic, patient_draws

ALL = (*METRICS, *FURTHER_METRICS)


def cases(seed: int = 7, patients: int = 25, images: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some patients have images of both classes; some probabilities are equal, none lies on the edge of a bin."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), images)
    labels = ((owner + (rng.random(len(owner)) < 0.2)) % 2).astype(np.int64)
    score = 0.8 * labels + rng.normal(size=patients)[owner] + 0.3 * rng.normal(size=len(owner))
    return 0.98 * np.round(1 / (1 + np.exp(-score)), 2) + 0.003, labels, owner


def expected(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    called = probabilities >= 0.5
    apart = binary_calibration_error(torch.tensor(probabilities), torch.tensor(labels), n_bins=10, norm="l1")
    return {
        "accuracy": sk.accuracy_score(labels, called),
        "sensitivity": sk.recall_score(labels, called),
        "specificity": sk.recall_score(labels, called, pos_label=0),
        "precision": sk.precision_score(labels, called),
        "f1": sk.f1_score(labels, called),
        "roc_auc": sk.roc_auc_score(labels, probabilities),
        "pr_auc": sk.average_precision_score(labels, probabilities),
        "mcc": sk.matthews_corrcoef(labels, called),
        "brier_score": sk.brier_score_loss(labels, probabilities),
        "calibration_error": float(apart),
    }


def test_every_metric_of_every_resample_equals_that_of_other_libraries():
    probabilities, labels, patients = cases()
    found = bootstrap_diagnostic(probabilities, labels, patients, threshold=0.5, resamples=40, seed=3, metrics=ALL)
    (draws,) = patient_draws(25, 40, seed=3)
    for index, draw in enumerate(draws):
        chosen = np.concatenate([np.flatnonzero(patients == k) for k in draw])
        known = expected(probabilities[chosen], labels[chosen])
        assert {name: found.values[name][index] for name in ALL} == pytest.approx(known, abs=1e-7)
    assert found.estimates == pytest.approx(expected(probabilities, labels), abs=1e-7)


def test_leaving_out_each_patient_equals_a_loop():
    probabilities, labels, patients = cases()
    found = bootstrap_diagnostic(
        probabilities, labels, patients, threshold=0.5, resamples=1, metrics=ALL, leave_one_out=True
    )
    for patient in range(25):
        kept = patients != patient
        known = expected(probabilities[kept], labels[kept])
        assert {name: found.leave_one_out[name][patient] for name in ALL} == pytest.approx(known, abs=1e-7)


def test_a_class_that_one_patient_carries_is_lacking_without_that_patient():
    found = bootstrap_diagnostic(
        [0.1, 0.2, 0.9], [0, 0, 1], ["a", "b", "c"], threshold=0.5, resamples=10, metrics=ALL, leave_one_out=True
    )
    for values in found.leave_one_out.values():
        assert np.isnan(values).tolist() == [False, False, True]


def test_chosen_metrics_do_not_depend_on_the_others():
    every = bootstrap_diagnostic(*cases(), threshold=0.5, resamples=30, metrics=ALL).values
    for name in ALL:
        alone = bootstrap_diagnostic(*cases(), threshold=0.5, resamples=30, metrics=[name]).values
        np.testing.assert_array_equal(alone[name], every[name])


def test_errors_are_what_less_of_is_better():
    labels = np.arange(40) % 2
    good, bad = (
        bootstrap_diagnostic(p, labels, np.arange(40), threshold=0.5, resamples=1, metrics=ALL).estimates
        for p in (0.1 + 0.8 * labels, 0.9 - 0.8 * labels)
    )
    assert {name for name in ALL if good[name] < bad[name]} == set(LESS_IS_BETTER)
