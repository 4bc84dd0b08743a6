"""Two ways of training compared over trainings and patients: known truth, and two special cases computed otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medsynth.statistics import crossed_difference, delong_test, roc_auc
from medsynth.statistics.crossed import CrossedDifference

Draw = tuple[np.ndarray, np.ndarray, np.ndarray, float]


def draw(rng: np.random.Generator, *, trainings: int, patients: int, areas: tuple[float, float], luck: float) -> Draw:
    """Two ways' scores of `patients` per class, the labels and the true mean difference (Roe and Metz 1997).

    Positive cases lie higher by a separation that differs by training (deviation `luck`); cases differ for everybody,
    for either way, for a training and for one reading alone.
    """
    labels = np.repeat([1, 0], patients)
    parts = {"case": 0.6, "way": 0.4, "training": 0.3, "reading": 0.5}
    spread = np.sqrt(2.0 * (sum(part**2 for part in parts.values()) + luck**2))
    shape = (trainings, 2 * patients)
    shared = rng.normal(0, parts["case"], 2 * patients) + rng.normal(0, parts["training"], shape)
    scores = [
        labels * (stats.norm.ppf(area) * spread + rng.normal(0, luck, (trainings, 1)))
        + shared
        + rng.normal(0, parts["way"], 2 * patients)
        + rng.normal(0, parts["reading"], shape)
        for area in areas
    ]
    return 1 / (1 + np.exp(-scores[0])), 1 / (1 + np.exp(-scores[1])), labels, areas[0] - areas[1]


def compare(drawn: Draw) -> CrossedDifference:
    first, second, labels, _ = drawn
    return crossed_difference(first, second, labels, np.arange(len(labels)))


@pytest.mark.parametrize(("trainings", "luck"), [(2, 0.1), (3, 0.02), (5, 0.2)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says_with_few_trainings(luck: float, trainings: int) -> None:
    rng = np.random.default_rng(trainings)
    drawn = [draw(rng, trainings=trainings, patients=60, areas=(0.95, 0.9), luck=luck) for _ in range(250)]
    found = [compare(one) for one in drawn]
    held = np.mean([one.low <= true <= one.high for one, (_, _, _, true) in zip(found, drawn, strict=True)])
    assert 0.93 <= held <= 0.99
    # The two parts add up to how much the estimate really varies from experiment to experiment.
    stated = np.mean([one.training_variance + one.patient_variance for one in found])
    assert stated == pytest.approx(np.var([one.value for one in found]), rel=0.2)


def test_the_patients_part_is_the_covariance_of_two_trainings_when_patients_are_left_out_one_by_one() -> None:
    first, second, labels, _ = draw(np.random.default_rng(1), trainings=4, patients=40, areas=(0.9, 0.85), luck=0.2)
    rows = np.arange(len(labels))
    kept = [rows != left_out for left_out in rows]
    pairs = list(zip(first, second, strict=True))
    without = np.array([[roc_auc(a[k], labels[k]) - roc_auc(b[k], labels[k]) for k in kept] for a, b in pairs])
    covariance = (len(rows) - 1) ** 2 / len(rows) * np.cov(without)
    expected = covariance[~np.eye(4, dtype=bool)].mean()
    found = crossed_difference(first, second, labels, rows)
    assert found.patient_variance == pytest.approx(expected, rel=0.1)
    assert found.training_variance == pytest.approx(np.var(found.differences, ddof=1) / 4)


def test_with_one_training_it_is_delongs_test_by_patient() -> None:
    first, second, labels, _ = draw(np.random.default_rng(2), trainings=1, patients=40, areas=(0.9, 0.85), luck=0.2)
    names = np.array([f"P{row // 2}" for row in range(len(labels))])
    expected = delong_test(first[0], second[0], labels, names)
    found = crossed_difference(first, second, labels, names)
    assert (found.value, found.low, found.high, found.p_value) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p_value)
    )
    assert (found.training_variance, found.patients) == (0.0, 40)


def test_without_variance_of_patients_it_is_the_paired_t_test() -> None:
    # Every case of a class has the same score but for a swap in each training: no two trainings vary together.
    labels = np.repeat([1, 0], 50)
    first = np.tile(labels * 0.8 + 0.1, (3, 1))
    second = first.copy()
    for training, swapped in enumerate((3, 5, 9)):
        places = 10 * training + np.arange(swapped)
        second[training, places] = 0.05
    found = crossed_difference(first, second, labels, np.arange(100))
    expected = stats.ttest_1samp(found.differences, 0.0)
    assert found.patient_variance == 0.0
    assert (found.p_value, found.low, found.high) == pytest.approx(
        (expected.pvalue, *expected.confidence_interval(0.95)), rel=1e-6
    )


def test_the_p_value_is_below_the_level_exactly_where_the_interval_excludes_zero() -> None:
    rng = np.random.default_rng(3)
    found = [compare(draw(rng, trainings=4, patients=40, areas=(0.93, 0.9), luck=0.1)) for _ in range(40)]
    assert [one.p_value < 0.05 for one in found] == [one.low > 0 or one.high < 0 for one in found]
    assert 0 < sum(one.p_value < 0.05 for one in found) < 40


def test_equal_classifiers_do_not_differ_and_equal_trainings_with_no_doubt_do() -> None:
    labels = np.repeat([1, 0], 10)
    perfect, useless = np.tile(labels, (2, 1)), np.full((2, 20), 0.5)
    equal = crossed_difference(perfect, perfect, labels, np.arange(20))
    assert (equal.value, equal.low, equal.high, equal.p_value) == (0.0, 0.0, 0.0, 1.0)
    sure = crossed_difference(perfect, useless, labels, np.arange(20))
    assert (sure.value, sure.low, sure.high, sure.p_value) == (0.5, 0.5, 0.5, 0.0)


def test_other_trainings_or_a_single_patient_of_a_class_are_refused() -> None:
    labels = np.repeat([1, 0], 3)
    with pytest.raises(ValueError, match=r"shapes \(2, 6\) and \(3, 6\)"):
        crossed_difference(np.zeros((2, 6)), np.zeros((3, 6)), labels, np.arange(6))
    with pytest.raises(ValueError, match="need two patients"):
        crossed_difference(np.zeros((2, 6)), np.zeros((2, 6)), labels, ["a", "a", "a", "b", "c", "d"])
