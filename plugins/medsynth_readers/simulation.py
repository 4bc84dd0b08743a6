"""Simulated readers, for trying the evaluator: they know the label and draw random numbers, no image is looked at."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from medsynth.base.files import csv_text, write_text

RATES = {"junior": (0.712, 0.760), "senior": (0.804, 0.802)}
"""Mean sensitivity and specificity of the paper's sonographers (its table 8)."""
EACH = 5
"""Readers per group."""
SPREAD = 0.15
"""Deviation between readers of a group, of the normal quantiles of both rates."""
SHARED = 0.5
"""Share of the variance of a reader's impression that lies in the case: what is hard is hard for all."""
COLUMNS = ("reader", "group", "case", "decision", "confidence")


def simulate(cases: Sequence[str], labels: Sequence[int], *, seed: int = 8) -> list[dict[str, Any]]:
    """Return the rows of a table of readers.

    A reader's impression of a case is normal with variance 1, shifted for positive cases; above the reader's criterion
    the case is called positive. Shift and criterion give the sensitivity and specificity drawn for the reader (the
    binormal model of signal detection; Green and Swets 1966). The confidence is 100 times the normal distribution at
    the impression's distance from the criterion, so that positive calls have 50 or more.

    Args:
        cases: names of N test images.
        labels: (N,) 1 positive, 0 negative.
        seed: decides everything.
    """
    rng = np.random.default_rng(seed)
    difficulty, positive = rng.standard_normal(len(cases)), np.asarray(labels)
    rows: list[dict[str, Any]] = []
    for group, rates in RATES.items():
        for _ in range(EACH):
            found, cleared = ndtri(rates) + SPREAD * rng.standard_normal(2)
            own = rng.standard_normal(len(cases))
            impression = (found + cleared) * positive + np.sqrt(SHARED) * difficulty + np.sqrt(1.0 - SHARED) * own
            beyond = impression - cleared
            reader = f"simulated-{len(rows) // max(len(cases), 1) + 1:02}"
            for case, distance in zip(cases, beyond.tolist(), strict=True):
                confidence = int(100.0 * ndtr(distance))
                rows.append(dict(zip(COLUMNS, (reader, group, case, int(distance >= 0.0), confidence), strict=True)))
    return rows


def write_simulated(predictions: Path, out: Path) -> None:
    """Simulate readers of the test images that a run's predictions-*.csv lists, and write their table."""
    with predictions.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    rows = simulate([row["image"] for row in listed], [int(row["label"]) for row in listed])
    write_text(out, csv_text([COLUMNS, *(row.values() for row in rows)]))


if __name__ == "__main__":
    import typer

    typer.run(write_simulated)
