"""Time the patient-level bootstrap of all six diagnostic metrics against a loop over scikit-learn.

Run: python benchmarks/bootstrap.py
Both use the same resampled patients, and their results are compared before anything is timed. The loop is timed on a
few hundred resamples only and scaled up.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from sklearn import metrics as sk

from medsynth.statistics import METRICS, bootstrap_diagnostic, patient_draws

THRESHOLD = 0.5


def make_cases(number: int, images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities, labels and patients of `number` cases, half of them positive, `images` a patient."""
    rng = np.random.default_rng(0)
    owner = np.arange(number) // images
    labels = owner % 2
    score = 3.0 * labels - 1.5 + rng.normal(size=owner.max() + 1)[owner] + rng.normal(size=number)
    return 1.0 / (1.0 + np.exp(-score)), labels, owner


def loop(probabilities: np.ndarray, labels: np.ndarray, rows: list[np.ndarray], draws: np.ndarray) -> np.ndarray:
    """Return (6, r) metrics of resampled patients, one scikit-learn call each."""
    found = []
    for draw in draws:
        chosen = np.concatenate([rows[patient] for patient in draw])
        truth, score = labels[chosen], probabilities[chosen]
        called = score >= THRESHOLD
        found.append(
            [
                sk.accuracy_score(truth, called),
                sk.recall_score(truth, called),
                sk.recall_score(truth, called, pos_label=0),
                sk.precision_score(truth, called),
                sk.f1_score(truth, called),
                sk.roc_auc_score(truth, score),
            ]
        )
    return np.array(found).T


def main() -> None:
    """Print times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=672, help="test images")
    parser.add_argument("--images", type=int, default=1, help="images of one patient")
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples of the fast version")
    parser.add_argument("--loop", type=int, default=300, help="resamples of the loop")
    options = parser.parse_args()
    probabilities, labels, patients = make_cases(options.cases, options.images)
    rows = [np.flatnonzero(patients == patient) for patient in range(patients.max() + 1)]
    (draws,) = patient_draws(len(rows), options.loop, seed=0, chunk=options.loop)

    start = time.perf_counter()
    slow = loop(probabilities, labels, rows, draws)
    per_resample = (time.perf_counter() - start) / options.loop

    times = []
    for _ in range(5):
        start = time.perf_counter()
        fast = bootstrap_diagnostic(
            probabilities, labels, patients, threshold=THRESHOLD, resamples=options.resamples, seed=0
        )
        times.append(time.perf_counter() - start)
    table = np.stack([fast.values[name][: options.loop] for name in METRICS])
    difference = float(np.abs(table - slow).max())
    if difference > 1e-12:
        raise SystemExit(f"the results differ by {difference}: no ratio of unequal things")

    median = float(np.median(times))
    slow_total = per_resample * options.resamples
    print(f"{options.cases} cases of {len(rows)} patients, {len(METRICS)} metrics, {os.cpu_count()} cores")
    print(f"largest difference on {options.loop} common resamples: {difference:.1e}")
    print(f"medsynth, {options.resamples:,} resamples: {median:.3f} s (median of {len(times)})")
    print(f"scikit-learn loop, timed on {options.loop} resamples and scaled up: {slow_total:.1f} s")
    print(f"ratio: {slow_total / median:.0f}")


if __name__ == "__main__":
    main()
