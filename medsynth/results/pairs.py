"""Rows tested against a reference on the same test images, seed by seed, with p-values adjusted over all tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medsynth.api import Predictions
from medsynth.report.tables import metric_label
from medsynth.results.reading import RunResult
from medsynth.statistics import Difference, area_difference, differences, holm, mcnemar_test, paired_bootstrap

METRICS = ("roc_auc", "sensitivity", "specificity")
RESAMPLES = 10_000
Tested = tuple[str, str, Mapping[str, RunResult]]
"""Label, subject, and results by seed."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One metric of two rows trained with the same seed.

    Args:
        reference, label: of the rows; the difference is label's metric minus the reference's.
        seed: of both trainings.
        metric: ``roc_auc``, ``sensitivity`` or ``specificity``.
        difference: with interval.
        test: how the p-value was had.
        p_value: of no difference.
        adjusted: by Holm over all tests of the comparison.
    """

    reference: str
    label: str
    seed: str
    metric: str
    difference: Difference
    test: str
    p_value: float
    adjusted: float = np.nan


def compare_pairs(couples: Sequence[tuple[Tested, Tested]]) -> list[Pair]:
    """Test the first of each couple against the second wherever both judged the same images with the same seed."""
    found = [pair for row, reference in couples for pair in _against(reference, row)]
    adjusted = holm([pair.p_value for pair in found]).tolist() if found else []
    return [replace(pair, adjusted=value) for pair, value in zip(found, adjusted, strict=True)]


def _against(reference: Tested, other: Tested) -> Iterator[Pair]:
    for seed, result in other[2].items():
        if seed not in reference[2] or reference[2][seed].test_data != result.test_data:
            continue
        first, second = result.predictions(other[1]), reference[2][seed].predictions(reference[1])
        if first is None or second is None or set(first.labels.tolist()) != {0, 1}:
            continue
        for metric, (difference, test, p_value) in _tests(first, second, int(seed)).items():
            yield Pair(
                reference=reference[0],
                label=other[0],
                seed=seed,
                metric=metric,
                difference=difference,
                test=test,
                p_value=p_value,
            )


def _tests(first: Predictions, second: Predictions, seed: int) -> dict[str, tuple[Difference, str, float]]:
    """Return by metric the difference of first and second, the test's name and its p-value.

    AUC: DeLong, with images summed by patient. Sensitivity and specificity: exact McNemar test where every patient
    has one image, else resamples of patients; their intervals are of the resamples in both cases.
    """
    resampled = differences(
        paired_bootstrap(
            first.probabilities,
            second.probabilities,
            first.labels,
            first.patients,
            thresholds=(first.threshold, second.threshold),
            resamples=RESAMPLES,
            seed=seed,
        )
    )
    found = {name: (resampled[name], "patient-level bootstrap", resampled[name].p_value) for name in METRICS}
    area = area_difference(first.probabilities, second.probabilities, first.labels, first.patients)
    if area:
        found["roc_auc"] = (area, "DeLong", area.p_value)
    if len(set(first.patients)) == len(first.patients):
        for name, label in (("sensitivity", 1), ("specificity", 0)):
            rows = first.labels == label
            right = ((p.probabilities[rows] >= p.threshold) == label for p in (first, second))
            found[name] = (resampled[name], "exact McNemar", mcnemar_test(*right).p_value)
    return found


PAIR_COLUMNS = ("row", "minus", "seed", "score", "difference", "low", "high", "test", "p", "p (Holm)")


def pair_rows(pairs: tuple[Pair, ...]) -> list[list[str]]:
    """Return the tests as rows of text under `PAIR_COLUMNS`."""
    return [
        [
            pair.label,
            pair.reference,
            pair.seed,
            metric_label(pair.metric),
            f"{pair.difference.value:+.3f}",
            *(f"{end:+.3f}" if math.isfinite(end) else "n/a" for end in (pair.difference.low, pair.difference.high)),
            pair.test,
            *(f"{value:.3g}" if math.isfinite(value) else "n/a" for value in (pair.p_value, pair.adjusted)),
        ]
        for pair in pairs
    ]
