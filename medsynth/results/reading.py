"""What finished runs say: scores, predictions, and the facts that decide whether they may be compared."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.api import Predictions, Score
from medsynth.base.errors import InputError
from medsynth.base.seals import check, is_finished
from medsynth.results.run_record import PLAN, read_record, refuse_no_run
from medsynth.results.score_files import MEASUREMENTS, SCORES, read_scores
from medsynth.results.stage_keys import WITHOUT_EFFECT, trained_positives
from medsynth.results.warned import of_seed

BUDGETS = ("epochs", "epoch_steps", "batch_size", "accumulate", "pretrain_epochs", "finetune_epochs")
SOURCES = ("path", "source")
"""Fields of the data that say where images lie, not which they are: the split's hash says that."""


@dataclass(frozen=True)
class RunResult:
    """A finished run of one training.

    Args:
        folder: of the run, or of one seed of it.
        plan, record: content of plan.toml and run.json.
    """

    folder: Path
    plan: Mapping[str, Any]
    record: Mapping[str, Any]

    @cached_property
    def scores(self) -> dict[tuple[str, str, str], Score]:
        """Scores and measurements by evaluator, name and subject."""
        found = [*read_scores(self.folder / SCORES), *read_scores(self.folder / MEASUREMENTS)]
        return {(score.evaluator, score.name, score.subject): score for score in found}

    @property
    def warnings(self) -> list[Mapping[str, str]]:
        """Kind, stage and text of each warning of this training; none in runs that did not record them."""
        return of_seed(self.record, int(self.plan["seeds"][0]))

    @property
    def split(self) -> str:
        """Hash of who is in which split."""
        return str(self.record["split"])

    @property
    def positives(self) -> int:
        """Positive patients of the target that its classifiers were trained on; 0 in runs that did not record it."""
        return trained_positives(self.plan["classifier"], self.record)

    @cached_property
    def test_data(self) -> str:
        """Hash of which images the classifiers were judged on, with labels and patients."""
        rows = [(row["patient"], row["label"], Path(row["image"]).name) for row in self._table("*")]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def predictions(self, subject: str) -> Predictions | None:
        """Return what a classifier said about the test images, or None where the run has none of that name.

        Images are in the order of patients and names, which is the same in all runs on the same images.
        """
        if not (self.folder / "evaluation" / f"predictions-{subject}.csv").exists():
            return None
        rows = self._table(subject)
        score = self.scores.get(("diagnostic", "threshold", subject))
        called = [float(row["probability"]) for row in rows if row["decision"] == "1"]
        return Predictions(
            probabilities=np.array([float(row["probability"]) for row in rows]),
            labels=np.array([int(row["label"]) for row in rows]),
            patients=np.array([row["patient"] for row in rows], dtype=object),
            threshold=score.value if score else min(called, default=np.inf),
        )

    def _table(self, subject: str) -> list[dict[str, str]]:
        path = next(iter(sorted((self.folder / "evaluation").glob(f"predictions-{subject}.csv"))))
        with path.open(newline="", encoding="utf-8") as file:
            return sorted(csv.DictReader(file), key=lambda row: (row["patient"], Path(row["image"]).name))

    @cached_property
    def conditions(self) -> dict[str, str]:
        """What must be equal for scores to be comparable, by how a person would call it."""
        data = {k: v for k, v in self.plan["data"].items() if k not in (*WITHOUT_EFFECT, *SOURCES)}
        conditions = {f"data.{name}": str(value) for name, value in data.items()}
        for kind in ("generator", "classifier"):
            steps = {name: self.plan[kind][name] for name in BUDGETS if name in self.plan[kind]}
            conditions |= {f"budget of the {kind} ({name})": str(value) for name, value in steps.items()}
        conditions |= {
            f"evaluator {plugin['name']}": f"{plugin['distribution']} {plugin['version']}"
            for plugin in self.record["plugins"]
            if plugin["kind"] == "evaluator"
        }
        for name, options in self.plan["evaluators"].items():
            conditions |= {f"evaluators.{name}.{field}": str(v) for field, v in options.items() if field not in SOURCES}
        return conditions


def read_run(folder: Path) -> list[RunResult]:
    """Read a finished run: one result per seed.

    Raises:
        InputError: there is no finished run, or a file that is read is not as the run wrote it.
    """
    refuse_no_run(folder)
    record = read_record(folder, older=True)
    plan = _checked_plan(folder / PLAN, record)
    seeds = plan["seeds"]
    folders = [folder] if len(seeds) == 1 else [folder / "seeds" / str(seed) for seed in seeds]
    for one in folders:
        if not (one / SCORES).exists():
            raise InputError(f"{one} is not finished: {SCORES} is missing", hint="Continue the run with --resume.")
        if is_finished(one / "evaluation"):  # runs of earlier versions have no seals
            check(one / "evaluation")
    return [RunResult(one, {**plan, "seeds": [seed]}, record) for one, seed in zip(folders, seeds, strict=True)]


def _checked_plan(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of plan.toml, whose sha256 run.json holds."""
    text = path.read_bytes()
    if hashlib.sha256(text).hexdigest() != record.get("plan"):
        hint = "Restore it from a copy, or remove it and repeat the run's own command with --resume."
        raise InputError(f"{path} is damaged: it is not as it was written", hint=hint)
    return tomllib.loads(text.decode())


def differing(one: RunResult, other: RunResult) -> list[str]:
    """Return the conditions in which two runs differ, with both values; empty if their scores may be compared.

    Evaluators that only one of them has are no difference.
    """
    found = [
        f"{name}: {one.conditions[name]} and {other.conditions[name]}"
        for name in one.conditions
        if name in other.conditions and one.conditions[name] != other.conditions[name]
    ]
    if one.split != other.split:
        found.insert(0, f"split: hash {one.split[:12]} and {other.split[:12]}")
    elif one.test_data != other.test_data:
        found.insert(0, "test images")
    return found
