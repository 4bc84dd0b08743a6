"""Finished runs made of files only."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from medsynth.api import Score
from medsynth.base.seals import sealed
from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry
from medsynth.results.reading import RunResult, read_run
from medsynth.results.score_files import write_scores

SUBJECTS = ("synthetic", "real-only")
Write = Callable[..., RunResult]


def cases(shift: float, noise: int, patients: int = 20) -> list[dict[str, object]]:
    """Two images per patient; `shift` is how far positive ones lie from negative ones."""
    rng = np.random.default_rng(noise)
    labels = np.arange(2 * patients) // 2 % 2
    values = 1 / (1 + np.exp(-(rng.standard_normal(2 * patients) + shift * (labels - 0.5))))
    return [
        {
            "image": f"i{i:03}.png",
            "patient": f"P{i // 2:02}",
            "label": label,
            "probability": p,
            "decision": int(p >= 0.5),
        }
        for i, (label, p) in enumerate(zip(labels.tolist(), values.tolist(), strict=True))
    ]


@pytest.fixture
def write_run(tmp_path: Path) -> Write:
    """Return a function that writes a finished run and reads it."""

    def write(
        name: str,
        *overrides: str,
        seed: int = 1,
        shift: float = 2.0,
        split: str = "abc",
        scores: Sequence[Score] = (),
        version: str = "1",
    ) -> RunResult:
        folder = tmp_path / name
        (folder / "evaluation").mkdir(parents=True)
        plan = make_plan(
            Registry(),
            generator="cyclegan",
            classifier="mobilenet-v2",
            preset="quick",
            seeds=[seed],
            device="cpu",
            evaluators=["diagnostic"],
            overrides=["generator.epochs=5", *overrides],
        )
        (folder / "plan.toml").write_text(plan.to_toml())
        plugin = {"kind": "evaluator", "name": "diagnostic", "distribution": "d", "version": version}
        record = {
            "medsynth": "1",
            "plan": plan.digest,
            "split": split,
            "positive_patients": 24,
            "plugins": [plugin],
            "stages": {"data": {"seconds": 1.0}},
            "hardware": {},
            "versions": {},
        }
        (folder / "run.json").write_text(sealed(record))
        found = list(scores)
        for number, subject in enumerate(SUBJECTS):
            rows = cases(shift / (number + 1), 10 * seed + number)
            with (folder / f"evaluation/predictions-{subject}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            found.append(Score(evaluator="diagnostic", name="threshold", subject=subject, value=0.5))
            found.append(Score(evaluator="diagnostic", name="roc_auc", subject=subject, value=0.1 * (seed + number)))
        write_scores(folder / "scores.json", found)
        write_scores(folder / "measurements.json", [])
        return read_run(folder)[0]

    return write
