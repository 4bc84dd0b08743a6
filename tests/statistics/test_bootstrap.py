from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn import metrics as sk

from medsynth.statistics import (
    INTERVALS,
    METRICS,
    bootstrap_diagnostic,
    bootstrap_mean,
    diagnostic_metrics,
    patient_draws,
    percentile_interval,
)


def cases(patients: int = 25, images: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated images: a patient's effect is shared by all of its images."""
    rng = np.random.default_rng(7)
    owner = np.repeat(np.arange(patients), images)
    labels = (owner % 2).astype(np.int64)
    score = 0.8 * labels + rng.normal(size=patients)[owner] + 0.3 * rng.normal(size=len(owner))
    return np.round(1 / (1 + np.exp(-score)), 2), labels, np.array([f"patient {k}" for k in owner], dtype=object)


def test_every_resample_equals_scikit_learn_on_the_same_patients():
    probabilities, labels, patients = cases()
    found = bootstrap_diagnostic(probabilities, labels, patients, threshold=0.5, resamples=60, seed=3)
    names = np.unique(patients)
    rows = {name: np.flatnonzero(patients == name) for name in names}
    (draws,) = patient_draws(len(names), 60, seed=3)
    for index, draw in enumerate(draws):
        chosen = np.concatenate([rows[names[k]] for k in draw])
        truth, called = labels[chosen], probabilities[chosen] >= 0.5
        expected = [
            sk.accuracy_score(truth, called),
            sk.recall_score(truth, called),
            sk.recall_score(truth, called, pos_label=0),
            sk.precision_score(truth, called),
            sk.f1_score(truth, called),
            sk.roc_auc_score(truth, probabilities[chosen]),
        ]
        assert [found.values[name][index] for name in METRICS] == pytest.approx(expected, abs=1e-12)


def test_draws_do_not_depend_on_the_size_of_blocks():
    whole = np.concatenate(list(patient_draws(11, 50, seed=5)))
    np.testing.assert_array_equal(np.concatenate(list(patient_draws(11, 50, seed=5, chunk=7))), whole)


def test_equal_seeds_give_equal_resamples_and_other_seeds_others():
    first, again, other = (
        bootstrap_diagnostic(*cases(), threshold=0.5, resamples=50, seed=seed).values["roc_auc"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_resamples_without_both_classes_are_left_out_and_counted():
    # One positive among three patients: (2/3)^3 of the resamples miss it, and 1/27 hold nothing else.
    found = bootstrap_diagnostic([0.1, 0.2, 0.9], [0, 0, 1], ["a", "b", "c"], threshold=0.5, resamples=4000, seed=0)
    assert found.discarded / 4000 == pytest.approx(8 / 27 + 1 / 27, abs=0.03)
    assert all(np.isnan(values).sum() == found.discarded for values in found.values.values())
    assert found.interval("sensitivity") == (1.0, 1.0)


def test_a_single_patient_shows_no_spread():
    found = bootstrap_diagnostic([0.1, 0.7, 0.9], [0, 0, 1], ["a"] * 3, threshold=0.5, resamples=20)
    assert found.patients == 1
    assert found.interval("accuracy") == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_one_class_alone_leaves_no_interval():
    found = bootstrap_diagnostic([0.1, 0.7], [1, 1], ["a", "b"], threshold=0.5, resamples=20)
    assert found.discarded == 20
    assert np.isnan(found.interval("roc_auc")).all()


def test_equal_probabilities_have_an_area_of_one_half_in_every_resample():
    found = bootstrap_diagnostic(np.full(12, 0.4), np.arange(12) % 2, np.arange(12), threshold=0.5, resamples=100)
    assert np.unique(found.values["roc_auc"]) == 0.5


def test_the_percentile_interval_leaves_equal_tails_and_ignores_nan():
    assert percentile_interval([*range(101), np.nan], 0.9) == (pytest.approx(5), pytest.approx(95))


def test_patients_must_match_cases():
    with pytest.raises(ValueError, match="one patient per probability"):
        bootstrap_diagnostic([0.1, 0.2], [0, 1], ["a"], threshold=0.5)


@pytest.mark.parametrize("kind", INTERVALS)
def test_patient_intervals_cover_the_truth_where_image_intervals_are_too_narrow(kind):
    rng = np.random.default_rng(0)
    truth = float(ndtr(np.sqrt(0.5)))  # two normal scores of unit spread, one apart
    covered: dict[str, list[bool]] = {"patients": [], "images": []}
    for seed in range(500):
        scores, labels, patients = _correlated(rng, 80)
        names = {"patients": patients} | ({"images": np.arange(len(labels))} if seed < 100 else {})
        for units, owner in names.items():
            found = bootstrap_diagnostic(
                scores,
                labels,
                owner,
                threshold=0.0,
                resamples=300,
                seed=seed,
                metrics=["roc_auc"],
                leave_one_out=kind == "bca",
            )
            low, high = found.interval("roc_auc", kind=kind)
            covered[units].append(low <= truth <= high)
    assert 0.92 < np.mean(covered["patients"]) < 0.97
    assert np.mean(covered["images"]) < 0.8


def _correlated(rng: np.random.Generator, patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four images a patient, all of one class, four fifths of the spread shared within the patient."""
    owner = np.repeat(np.arange(patients), 4)
    labels = (owner % 2).astype(np.int64)
    score = labels + np.sqrt(0.8) * rng.normal(size=patients)[owner] + np.sqrt(0.2) * rng.normal(size=len(owner))
    return score, labels, owner


@pytest.mark.parametrize("kind", INTERVALS)
def test_permuted_labels_give_an_area_whose_interval_contains_one_half(kind):
    probabilities, labels, patients = cases(60)
    names, owner = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(0)
    permuted = [rng.permutation(np.arange(len(names)) % 2)[owner] for _ in range(40)]
    intervals = [
        bootstrap_diagnostic(
            probabilities, truth, patients, threshold=0.5, resamples=300, metrics=["roc_auc"], leave_one_out=True
        ).interval("roc_auc", kind=kind)
        for truth in (labels, *permuted)
    ]
    assert intervals[0][0] > 0.5
    assert np.mean([low <= 0.5 <= high for low, high in intervals[1:]]) >= 0.9


def test_figures_of_the_cases_themselves_need_only_the_classes_that_they_are_made_of():
    found = bootstrap_diagnostic([0.1, 0.7], [1, 1], ["a", "b"], threshold=0.5, resamples=5)
    assert found.estimates == pytest.approx(diagnostic_metrics([0.1, 0.7], [1, 1], 0.5), nan_ok=True)
    assert found.estimates["sensitivity"] == 0.5


def test_the_mean_is_resampled_by_patient_as_a_loop_does():
    values, patients = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array(["a", "a", "b", "c", "c"])
    generator = np.random.default_rng(3)
    by_name = {"a": [1.0, 2.0], "b": [4.0], "c": [8.0, 16.0]}
    means = [np.mean([value for i in row for value in by_name["abc"[i]]]) for row in generator.integers(0, 3, (200, 3))]
    expected = tuple(np.quantile(means, [0.05, 0.95]))
    assert bootstrap_mean(values, patients, resamples=200, confidence=0.9, seed=3) == pytest.approx(expected)
