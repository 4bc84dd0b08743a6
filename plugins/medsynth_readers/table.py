"""The CSV of readers' decisions, read with its problems together."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError
from medsynth.data.problems import some

NEEDED = ("reader", "case", "decision")
OPTIONAL = ("group", "confidence", "task", "repeat", "seconds", "pixels")
DIAGNOSE, REAL_OR_SYNTHETIC = "diagnose", "real-or-synthetic"
TASKS = (DIAGNOSE, REAL_OR_SYNTHETIC)
"""What readers were asked: is it positive, or is it synthetic; the first where the table has no such column."""
REPEATS = ("", "0", "1")
DECISIONS = {"1": 1, "positive": 1, "0": 0, "negative": 0}
EXAMPLES = {"phantom": "simulated-phantom-quick.csv", "phantom-standard": "simulated-phantom-standard.csv"}
"""What stands for an example that comes with this package: simulated readers of the quick and standard phantoms."""


@dataclass(frozen=True)
class Reader:
    """One reader's decisions.

    Args:
        name: as in the table.
        group: e.g. ``junior``; empty if the table has none.
        decisions: by case, 1 positive, 0 negative; or 1 synthetic, 0 real.
        confidences: by case, higher = more likely positive or synthetic, on any scale; empty if not given.
        task: one of `TASKS`.
        again: the decisions on cases that were shown a second time.
        seconds: by case, the time until the decision; of those that have one.
        pixels: by case the digest of the image that was shown; of those that have one.
    """

    name: str
    group: str
    decisions: Mapping[str, int]
    confidences: Mapping[str, float]
    task: str = DIAGNOSE
    again: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    pixels: Mapping[str, str] = field(default_factory=dict)


def read_readers(path: str) -> list[Reader]:
    """Read a CSV with the columns reader, case, decision and optionally those of `OPTIONAL`, in any order.

    Who answered for two tasks is a reader of each.

    Args:
        path: of the file, or one of `EXAMPLES`.

    Raises:
        InputError: names the file and its lines that cannot be used.
    """
    if not path:
        raise InputError(
            "evaluators.readers.path is empty",
            hint="Give a CSV of readers' decisions, e.g. --set evaluators.readers.path=readers.csv.",
        )
    text = _text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    for name in NEEDED:
        if name not in reader.fieldnames:
            raise InputError(f"{path} has no column {name!r}", hint=nearest(name, reader.fieldnames))
    known = (*NEEDED, *OPTIONAL)
    rows = [(reader.line_num, {name: (row.get(name) or "").strip() for name in known}) for row in reader]
    _refuse(path, _row_problems(rows) or _table_problems(rows))
    if not rows:
        raise InputError(f"{path} has no rows")
    return [_reader([row for _, row in rows if _whose(row) == who]) for who in _readers(rows)]


def _text(path: str) -> str:
    if path in EXAMPLES:
        return (resources.files("medsynth_readers") / EXAMPLES[path]).read_text(encoding="utf-8")
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"evaluators.readers.path = {path!r} cannot be read: {error}",
            hint="A relative path starts at the working directory.",
        ) from None


Rows = Sequence[tuple[int, Mapping[str, str]]]


def _readers(rows: Rows) -> list[tuple[str, str]]:
    return list(dict.fromkeys(_whose(row) for _, row in rows))


def _whose(row: Mapping[str, str]) -> tuple[str, str]:
    return row["task"] or DIAGNOSE, row["reader"]


def _reader(rows: Sequence[Mapping[str, str]]) -> Reader:
    first = [row for row in rows if row["repeat"] != "1"]
    return Reader(
        name=rows[0]["reader"],
        group=rows[0]["group"],
        decisions=_decisions(first),
        confidences={row["case"]: float(row["confidence"]) for row in first if row["confidence"]},
        task=rows[0]["task"] or DIAGNOSE,
        again=_decisions([row for row in rows if row["repeat"] == "1"]),
        seconds={row["case"]: float(row["seconds"]) for row in first if row["seconds"]},
        pixels={row["case"]: row["pixels"] for row in first if row["pixels"]},
    )


def _decisions(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    return {row["case"]: DECISIONS[row["decision"].lower()] for row in rows}


def _row_problems(rows: Rows) -> list[str]:
    problems = []
    for line, row in rows:
        problems += [f"line {line}: {name} is empty" for name in ("reader", "case") if not row[name]]
        if row["decision"].lower() not in DECISIONS:
            problems.append(f"line {line}: decision {row['decision']!r} is none of {', '.join(DECISIONS)}")
        problems += [
            f"line {line}: {name} {row[name]!r} is no number"
            for name in ("confidence", "seconds")
            if row[name] and not _finite(row[name])
        ]
        for name, choices in (("task", ("", *TASKS)), ("repeat", REPEATS)):
            if row[name] not in choices:
                problems.append(f"line {line}: {name} {row[name]!r} is none of {', '.join(filter(None, choices))}")
    return problems


def _table_problems(rows: Rows) -> list[str]:
    problems = []
    first: dict[tuple[str, ...], int] = {}
    for line, row in rows:
        before = first.setdefault((*_whose(row), row["case"], row["repeat"] or "0"), line)
        if before != line:
            problems.append(f"line {line}: reader {row['reader']!r} already decided on {row['case']} in line {before}")
    for line, row in rows:
        if row["repeat"] == "1" and (*_whose(row), row["case"], "0") not in first:
            problems.append(f"line {line}: reader {row['reader']!r} repeats {row['case']} without a first decision")
    for who in _readers(rows):
        name, own = who[1], [row for _, row in rows if _whose(row) == who]
        groups = sorted({row["group"] for row in own})
        if len(groups) > 1:
            problems.append(f"reader {name!r} is in several groups: {', '.join(map(repr, groups))}")
        rated = sum(bool(row["confidence"]) for row in own)
        if 0 < rated < len(own):
            problems.append(f"reader {name!r} gives a confidence for {rated} of {len(own)} cases; give all or none")
    return problems


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _refuse(path: str, problems: Sequence[str]) -> None:
    if problems:
        raise InputError(
            f"{path} cannot be used: {some(problems)}",
            hint="Each line is one reader's decision on one case: reader,group,case,decision,confidence.",
        )
