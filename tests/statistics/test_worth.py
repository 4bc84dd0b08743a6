"""The worth of synthesis in real positive patients: read off hand-made curves, and resampled by explicit loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from medsynth.api import Predictions
from medsynth.statistics import patient_draws
from medsynth.statistics.worth import Level, needed_numbers, scarcity

LABELS = np.repeat([0, 1], 16)
PATIENTS = np.array([f"p{index // 2:02}" for index in range(len(LABELS))])
SHIFTS = {"synthetic": {4: 1.2, 8: 1.4, 16: 1.5}, "real-only": {4: 0.3, 8: 1.0, 16: 2.0}}


def training(shift: float, seed: int) -> Predictions:
    values = np.random.default_rng(seed).normal(size=len(LABELS)) + shift * LABELS
    return Predictions(probabilities=1 / (1 + np.exp(-values)), labels=LABELS, patients=PATIENTS, threshold=0.6)


def levels(trainings: int, shifts: dict[str, dict[int, float]] = SHIFTS) -> list[Level]:
    return [
        Level(
            number=number,
            trainings={
                subject: [training(own[number], 100 * number + seed) for seed in range(trainings)]
                for subject, own in shifts.items()
            },
        )
        for number in shifts["synthetic"]
    ]


def test_the_needed_number_is_read_off_the_curve_in_the_logarithm_of_the_number() -> None:
    found = needed_numbers((4, 8, 16, 32), (0.6, 0.7, 0.8, 0.9), (0.5, 0.6, 0.65, 0.75, 0.9, 0.95))
    assert found == pytest.approx([-np.inf, 4.0, 4 * 2**0.5, 8 * 2**0.5, 32.0, np.inf])


def test_a_curve_that_falls_by_chance_is_made_level_there() -> None:
    found = needed_numbers((4, 8, 16, 32), (0.6, 0.8, 0.7, 0.9), (0.675, 0.75, 0.825))
    assert found == pytest.approx([4 * 2**0.5, 8.0, 16 * 2**0.5])
    assert needed_numbers((4, 8), (0.8, 0.6), (0.7, 0.71, 0.69)).tolist() == [4.0, np.inf, -np.inf]


def test_scores_are_means_over_trainings_and_the_worth_is_what_the_curve_of_real_images_says() -> None:
    found = scarcity(levels(3)[::-1], resamples=10)
    areas: dict[str, list[float]] = {}
    for subject, own in SHIFTS.items():
        sets = [[training(own[number], 100 * number + seed) for seed in range(3)] for number in (4, 8, 16)]
        areas[subject] = [float(np.mean([roc_auc_score(LABELS, p.probabilities) for p in one])) for one in sets]
        called = [float(np.mean([recall_score(LABELS, p.probabilities >= 0.6) for p in one])) for one in sets]
        assert [point.value for point in found.scores[subject]["roc_auc"]] == pytest.approx(areas[subject])
        assert [point.value for point in found.scores[subject]["sensitivity"]] == pytest.approx(called)
    assert areas["real-only"] == sorted(areas["real-only"])
    expected = 2 ** np.interp(areas["synthetic"], areas["real-only"], [2, 3, 4]) - np.array([4, 8, 16])
    assert [one.value for one in found.worth] == pytest.approx(expected)
    assert (found.numbers, found.trainings, found.patients) == ((4, 8, 16), 3, 16)


def test_intervals_are_over_patients_and_seeds_drawn_together() -> None:
    found = scarcity(levels(2), resamples=40, confidence=0.9, seed=5)
    chosen = np.random.default_rng(5).integers(0, 2, size=(2, 41))
    names, worths, areas = np.unique(PATIENTS), [], []
    for draw, drawn in enumerate(np.concatenate(list(patient_draws(len(names), 40, seed=5))), start=1):
        rows = np.concatenate([np.flatnonzero(names[patient] == PATIENTS) for patient in drawn])
        if len(set(LABELS[rows])) < 2:
            continue
        curve = {
            subject: [
                np.mean([
                    roc_auc_score(LABELS[rows], training(shift, 100 * number + seed).probabilities[rows])
                    for seed in chosen[:, draw]
                ])
                for number, shift in own.items()
            ]
            for subject, own in SHIFTS.items()
        }  # fmt: skip
        areas.append(curve["synthetic"][0])
        worths.append(float(needed_numbers((4, 8, 16), curve["real-only"], curve["synthetic"][:1])[0]) - 4)
    cut = int(0.05 * (len(worths) - 1))
    assert (found.worth[0].low, found.worth[0].high) == pytest.approx((sorted(worths)[cut], sorted(worths)[-1 - cut]))
    shown = found.scores["synthetic"]["roc_auc"][0]
    assert (shown.low, shown.high) == pytest.approx((sorted(areas)[cut], sorted(areas)[-1 - cut]))


def test_a_worth_beyond_either_end_of_the_curve_is_infinite() -> None:
    far = {"synthetic": {4: 9.0, 8: 9.0}, "real-only": {4: 0.2, 8: 0.4}}
    assert all(one.value == one.low == one.high == np.inf for one in scarcity(levels(1, far), resamples=20).worth)
    none = {"synthetic": far["real-only"], "real-only": far["synthetic"]}
    assert scarcity(levels(1, none), resamples=20).worth[0].high == -np.inf


def test_one_number_or_trainings_without_partner_are_refused() -> None:
    one = levels(2)
    with pytest.raises(ValueError, match="different numbers"):
        scarcity([one[0], one[0]])
    with pytest.raises(ValueError, match="as many trainings"):
        scarcity([one[0], levels(1)[1]])
