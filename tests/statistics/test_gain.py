"""What synthesis was worth: over both controls, over all trainings, and nothing where nothing can be said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medsynth.api import Predictions
from medsynth.statistics import crossed_difference, roc_auc
from medsynth.statistics.gain import gains

LABELS = np.repeat([0, 1], 20)
SHIFTS = {"synthetic": 2.5, "real-only": 1.5, "untranslated": 0.2, "oracle": 3.0}


def training(seed: int, *rows: str) -> dict[str, Predictions]:
    """Predictions of one training; two images a patient."""
    noise = np.random.default_rng(seed).normal(size=(len(SHIFTS), len(LABELS)))
    patients = np.array([f"p{index // 2}" for index in range(len(LABELS))])
    return {
        row: Predictions(
            probabilities=1 / (1 + np.exp(-own - shift * LABELS)), labels=LABELS, patients=patients, threshold=0.5
        )
        for (row, shift), own in zip(SHIFTS.items(), noise, strict=True)
        if row in (rows or SHIFTS)
    }


def test_the_gain_is_over_each_control_and_over_all_trainings_and_patients() -> None:
    trainings = [training(seed) for seed in range(3)]
    found = gains(trainings)
    assert [gain.against for gain in found] == ["real-only", "untranslated"]
    for gain in found:
        main, other = (np.stack([t[row].probabilities for t in trainings]) for row in ("synthetic", gain.against))
        expected = crossed_difference(main, other, LABELS, trainings[0]["synthetic"].patients)
        assert (gain.value, gain.low, gain.high, gain.p_value) == (
            expected.value, expected.low, expected.high, expected.p_value,
        )  # fmt: skip
        assert gain.value == pytest.approx(
            np.mean([roc_auc(one, LABELS) - roc_auc(two, LABELS) for one, two in zip(main, other, strict=True)])
        )
        assert gain.basis == "3 seeds and 20 patients"
    score = found[0].as_score()
    assert (score.evaluator, score.name, score.subject, score.value) == (
        "synthesis",
        "gain",
        "real-only",
        found[0].value,
    )
    assert "by seed " in score.detail
    assert gains(trainings[:1])[0].as_score().detail.count("its luck is not in the interval") == 1


def test_a_control_that_one_training_lacks_is_left_out() -> None:
    partly = training(1, "synthetic", "real-only", "oracle")
    assert [gain.against for gain in gains([training(0), partly])] == ["real-only"]
    assert gains([training(0), training(1, "real-only")]) == []
    assert gains([]) == []


def test_other_test_images_or_a_single_patient_of_a_class_allow_no_test() -> None:
    here, there = training(0), training(1)
    moved = {row: dataclasses.replace(judged, labels=1 - judged.labels) for row, judged in there.items()}
    assert gains([here, moved]) == []
    lone = np.where(LABELS == 1, "p", here["synthetic"].patients)
    assert gains([{row: dataclasses.replace(judged, patients=lone) for row, judged in here.items()}]) == []
