"""What a reader's own answers say without any truth: agreement with oneself, and time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth.api import Score
from medsynth.statistics import cohen_kappa
from medsynth_readers.scoring import make_score
from medsynth_readers.table import DIAGNOSE, Reader


def own_scores(readers: Sequence[Reader]) -> list[Score]:
    """Return Cohen's kappa and the share of equal decisions for cases shown twice, and the median time per image."""
    found = []
    for reader in readers:
        subject, start = f"reader {reader.name}", "" if reader.task == DIAGNOSE else "turing_"
        if reader.again:
            first, second = (
                np.array([decisions[case] for case in reader.again]) for decisions in (reader.decisions, reader.again)
            )
            detail = "first against second decision on images shown twice; the other scores take the first"
            for name, value in (
                ("repeat_kappa", cohen_kappa(first, second)),
                ("repeat_agreement", float(np.mean(first == second))),
            ):
                found.append(make_score(start + name, subject, value, len(first), detail=detail, better=True))
        if reader.seconds:
            times = list(reader.seconds.values())
            detail = "median time per image while it could be seen"
            found.append(
                make_score(f"{start}seconds", subject, float(np.median(times)), len(times), detail=detail, unit="s")
            )
    return found
