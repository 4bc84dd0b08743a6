"""Runs compared with each other, whatever study or none they belong to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medsynth.api import Subject
from medsynth.base.errors import InputError
from medsynth.base.version import __version__
from medsynth.results.reading import RunResult, read_run
from medsynth.studies.comparison import Comparison, compare
from medsynth.studies.comparison_files import write_comparison
from medsynth.studies.page import write_page
from medsynth.studies.study import StudyRow, StudyTable

COLUMNS = (
    "diagnostic.roc_auc",
    "diagnostic.sensitivity",
    "diagnostic.specificity",
    "image-quality.kid",
    "efficiency.macs@classifier",
)


def compare_runs(
    folders: Sequence[Path], *, subject: str = Subject.SYNTHETIC, columns: Sequence[str] = ()
) -> Comparison:
    """Compare runs; the first is the reference.

    Runs of the same seeds are tested seed by seed, others in the order of their seeds.

    Args:
        folders: of finished runs, two or more.
        subject: whose scores.
        columns: as `medsynth.studies.study.StudyTable` takes them; empty = the most asked for.

    Raises:
        InputError: one of them is not finished, or other test data than the first run's.
    """
    results = {label: read_run(folder) for label, folder in zip(labels(folders), folders, strict=True)}
    first, reference = next((label, found[0]) for label, found in results.items())
    for label, found in results.items():
        _refuse_other_data(first, reference, label, found[0])
    equal = len({tuple(_seed(result) for result in found) for found in results.values()}) == 1
    keyed = {
        label: {_seed(result) if equal else str(place): result for place, result in enumerate(found, start=1)}
        for label, found in results.items()
    }
    table = StudyTable(columns=tuple(columns) or COLUMNS)
    return compare(table, [StudyRow(label=label, subject=subject) for label in results], keyed)


def write_runs_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write what a study ends in into a new folder; return the page's path.

    Raises:
        InputError: the folder holds files already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--out {folder} holds other files", hint="Name a folder that does not exist yet.")
    first = next(result for row in comparison.rows for result in row.results.values())
    facts: dict[str, Any] = {
        "title": "Runs compared",
        "about": "",
        "medsynth": __version__,
        "preset": first.plan["preset"],
        "device": first.plan["device"],
        "data": first.plan["data"]["path"],
        "show_names": bool(first.plan["data"].get("show_names")),
        "seeds": list(dict.fromkeys(_seed(result) for row in comparison.rows for result in row.results.values())),
        "paper": "",
        "split": first.split,
        "seconds": {},
        "warnings": [],
    }
    write_comparison(folder, comparison, facts)
    return write_page(folder, comparison, facts)


def labels(places: Sequence[Path]) -> list[str]:
    """Return what tells places apart: their paths below the folder that holds them all."""
    whole = [place.resolve() for place in places]
    common = Path(os.path.commonpath(whole))
    return [place.relative_to(common).as_posix() for place in whole]


def _seed(result: RunResult) -> str:
    return str(result.plan["seeds"][0])


def _refuse_other_data(first: str, reference: RunResult, label: str, result: RunResult) -> None:
    if result.split != reference.split:
        raise InputError(
            f"{label} has split {result.split[:12]}, {first} has {reference.split[:12]}",
            hint="Scores of different splits cannot be compared. Run both on the same data with the same data.seed.",
        )
    if result.test_data != reference.test_data:
        raise InputError(
            f"{label} was judged on other test images than {first}",
            hint="Run both on the same data.",
        )
