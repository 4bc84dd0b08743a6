"""Bundles compared by the figures that they state. Nothing of them is executed or recomputed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsynth.api import Subject
from medsynth.base.errors import InputError
from medsynth.bundle.checking.description import Description, describe_bundle, shown_figures
from medsynth.bundle.format.manifest import bundle_at
from medsynth.results.run_record import PLAN
from medsynth.studies.between import COLUMNS, labels
from medsynth.studies.comparison import address
from medsynth.studies.study import StudyRow


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What one bundle states.

    Args:
        label: what tells its place from the others'.
        sha256: of its manifest.
        figures: by column value, low, high and n, as far as the bundle states them.
    """

    label: str
    sha256: str
    figures: Mapping[str, Mapping[str, float]]


def names_bundle(path: Path) -> bool:
    """Tell whether `path` is a bundle, folder or zip file, and not the folder of a run."""
    return path.is_file() or ((path / "configs/metadata.json").is_file() and not (path / PLAN).is_file())


def compare_stated(
    places: Sequence[Path], *, subject: str = Subject.SYNTHETIC, columns: Sequence[str] = ()
) -> list[Stated]:
    """Put the figures of bundles beside each other.

    Args:
        places: two or more bundles, as folders or zip files, and runs, for the bundles in them.
        subject, columns: as `medsynth.studies.between.compare_runs` takes them.

    Raises:
        InputError: one of them does not say on which split it was judged, or on another one.
    """
    described = {label: describe_bundle(bundle_at(place)) for label, place in zip(labels(places), places, strict=True)}
    first, reference = next(iter(described.items()))
    for label, description in described.items():
        _refuse_other_split(first, reference, label, description)
    asked = tuple(columns) or COLUMNS
    return [
        Stated(label=label, sha256=found.sha256, figures=_figures(found, label, subject, asked))
        for label, found in described.items()
    ]


def as_table(rows: Sequence[Stated]) -> tuple[list[str], list[list[str]]]:
    """Return head and body of the table: a column is there if any bundle states it."""
    columns = list(dict.fromkeys(column for row in rows for column in row.figures))
    body = [[row.label, *(shown_figures(row.figures).get(column, "") for column in columns)] for row in rows]
    return ["bundle", *columns], body


def as_json(rows: Sequence[Stated]) -> dict[str, Any]:
    """Return the comparison as ``--json`` prints it."""
    return {"schema": 1, "bundles": [asdict(row) for row in rows]}


def _figures(found: Description, label: str, subject: str, columns: Sequence[str]) -> dict[str, Mapping[str, float]]:
    row = StudyRow(label=label, subject=subject)
    places = {column: address(row, column) for column in columns}
    names = {column: f"{whose}/{evaluator}/{name}" for column, (evaluator, name, whose) in places.items()}
    return {column: found.figures[name] for column, name in names.items() if name in found.figures}


def _refuse_other_split(first: str, reference: Description, label: str, found: Description) -> None:
    if not found.split:
        raise InputError(
            f"{label} does not say on which split its figures were measured",
            hint="Only bundles made by medsynth say it.",
        )
    if found.split != reference.split:
        raise InputError(
            f"{label} has split {found.split[:12]}, {first} has {reference.split[:12]}",
            hint="Figures of different splits cannot be compared.",
        )
