"""Scores and measurements as files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.api import Score
from medsynth.base.files import write_json

SCORES, MEASUREMENTS = "scores.json", "measurements.json"


def write_scores(path: Path, scores: list[Score]) -> None:
    """Write scores as JSON; a value that is not a number becomes null, an empty warning is left out."""

    def plain(score: Score) -> dict[str, Any]:
        values = {k: v for k, v in asdict(score).items() if k != "measured" and (k != "warning" or v)}
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in values.items()}

    write_json(path, {"schema": 1, "scores": [plain(score) for score in scores]})


def read_scores(path: Path) -> list[Score]:
    """Read what `write_scores` wrote."""
    rows = json.loads(path.read_text())["scores"]
    measured = path.name == MEASUREMENTS
    return [
        Score(**{**row, "value": float("nan") if row["value"] is None else row["value"], "measured": measured})
        for row in rows
    ]
