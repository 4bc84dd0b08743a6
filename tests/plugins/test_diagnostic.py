from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from medsynth_diagnostic import DiagnosticConfig, medsynth_evaluator
from medsynth_diagnostic.model import Diagnostic

from medsynth.api import Evidence, ImageSet, Predictions
from medsynth.statistics import METRICS, bootstrap_diagnostic, diagnostic_metrics

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


def judged(*, resamples: int = 200, seed: int = 3, **subjects: Predictions) -> dict:
    found = Diagnostic(DiagnosticConfig(resamples=resamples)).scores(evidence(seed, **subjects))
    return {(score.subject, score.name): score for score in found}


def test_declaring_imports_no_torch():
    code = "import sys, medsynth_diagnostic as p; p.medsynth_evaluator(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert medsynth_evaluator().name == "diagnostic"


def test_every_subject_gets_all_metrics_and_its_threshold():
    found = judged(synthetic=predictions(0), real_only=predictions(1), oracle=predictions(2))
    assert set(found) == {(s, m) for s in ("synthetic", "real-only", "oracle") for m in (*METRICS, "threshold")}


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
    assert "no interval from a single patient" in found["synthetic", "accuracy"].detail


def test_resamples_without_both_classes_are_reported():
    score = judged(synthetic=predictions(patients=3))["synthetic", "roc_auc"]
    assert "without both classes left out" in score.detail


def test_equal_probabilities_give_an_area_of_one_half_without_spread():
    given = Predictions(
        probabilities=np.full(12, 0.5), labels=np.arange(12) % 2, patients=np.arange(12).astype(str), threshold=0.5
    )
    score = judged(synthetic=given)["synthetic", "roc_auc"]
    assert (score.value, score.low, score.high) == (0.5, 0.5, 0.5)
