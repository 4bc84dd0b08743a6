"""The comparison as files: JSON and CSV with all digits, Markdown and LaTeX as printed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsynth.base.files import write_json, write_text
from medsynth.bundle.format.privacy import without_locations
from medsynth.data.listing.paths import relative
from medsynth.report.downloads import latex_text, spreadsheet_text
from medsynth.report.tables import metric_label, number, percent
from medsynth.report.verdict import NOT_ENOUGH
from medsynth.results.pairs import PAIR_COLUMNS, Pair, pair_rows
from medsynth.results.worths import as_records
from medsynth.statistics.gain import Gain
from medsynth.studies.comparison import ComparedCell, ComparedRow, Comparison

NOT_COMPARABLE = " (not comparable)"


def write_comparison(folder: Path, comparison: Comparison, facts: Mapping[str, Any]) -> None:
    """Write study.json, comparison.csv, comparison.md and comparison.tex.

    Args:
        folder: of the study.
        comparison: the rows.
        facts: title, what was asked and how it ran, for study.json and the heading.
    """
    head, body = printed(comparison)
    write_json(folder / "study.json", as_json(comparison, facts, folder))
    write_text(folder / "comparison.csv", to_csv(comparison))
    write_text(folder / "comparison.md", _markdown(comparison, facts))
    write_text(folder / "comparison.tex", latex_text(head, body))


def without_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts without paths and names of the data and in the settings, unless the user wants to see them."""
    if facts.get("show_names"):
        return dict(facts)
    settings = (setting.partition("=") for setting in facts.get("settings", ()))
    hidden = [f"{name}={without_locations(value, name.rpartition('.')[2])}" for name, _, value in settings]
    return {**facts, "data": without_locations(facts.get("data", ""), "path"), "settings": hidden}


def as_json(comparison: Comparison, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return study.json, with runs relative to its folder; what is not a number is null."""
    return {
        "schema": 1,
        **facts,
        "columns": list(comparison.columns),
        "reference": comparison.reference,
        "rows": [_json_row(row, folder) for row in comparison.rows],
        "gains": [_json_gain(row.label, gain) for row in comparison.gains for gain in row.gains],
        "worths": [as_records(one) for one in comparison.worths],
        "tests": [_json_pair(pair) for pair in comparison.pairs],
    }


def _json_row(row: ComparedRow, folder: Path) -> dict[str, Any]:
    return {
        "label": row.row.label,
        "subject": row.row.subject,
        "comparable": not row.obstacles,
        "obstacles": list(row.obstacles),
        "runs": {seed: relative(result.folder, folder) for seed, result in row.results.items()},
        "warnings": dict(warned(row)),
        "scores": {
            column: {
                "values": {seed: _finite(value) for seed, value in cell.values.items()},
                "mean": _finite(cell.mean),
                "sd": _finite(cell.deviation),
                "low": _finite(cell.low),
                "high": _finite(cell.high),
                "paper": cell.paper,
                "unit": cell.unit,
                **({"resamples": asdict(cell.resampled)} if cell.resampled else {}),
            }
            for column, cell in row.cells.items()
        },
    }


def _json_pair(pair: Pair) -> dict[str, Any]:
    return {
        "row": pair.label,
        "minus": pair.reference,
        "seed": pair.seed,
        "score": pair.metric,
        "difference": _finite(pair.difference.value),
        "low": _finite(pair.difference.low),
        "high": _finite(pair.difference.high),
        "test": pair.test,
        "p": _finite(pair.p_value),
        "p_holm": _finite(pair.adjusted),
    }


def _json_gain(label: str, gain: Gain) -> dict[str, Any]:
    return {
        "row": label,
        "minus": gain.against,
        "seeds": len(gain.differences),
        "patients": gain.patients,
        "difference": gain.value,
        "low": gain.low,
        "high": gain.high,
        "p": gain.p_value,
        "differences": list(gain.differences),
    }


def warned(row: ComparedRow) -> Counter[str]:
    """Return in how many of a row's runs each kind of warning arose."""
    return Counter(kind for result in row.results.values() for kind in sorted({w["kind"] for w in result.warnings}))


def warning_texts(comparison: Comparison) -> list[str]:
    """Return a line per row and kind of warning."""
    return [
        f"{row.row.label}: {kind} in {count} of {len(row.results)} runs"
        for row in comparison.rows
        for kind, count in warned(row).items()
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def to_csv(comparison: Comparison) -> str:
    """Return one line per row and score, with every seed's value."""
    seeds = _seeds(comparison)
    head = ["row", "score", "unit", "mean", "sd", "low", "high", "paper", "comparable", *(f"seed {s}" for s in seeds)]
    body = [
        [
            row.row.label,
            column,
            cell.unit,
            *(_digits(value) for value in (cell.mean, cell.deviation, cell.low, cell.high)),
            "" if cell.paper is None else cell.paper,
            "no" if row.obstacles else "yes",
            *(_digits(cell.values.get(seed)) for seed in seeds),
        ]
        for row in comparison.rows
        for column, cell in row.cells.items()
        if cell.values or cell.paper is not None
    ]
    return spreadsheet_text(head, body)


def _digits(value: float | None) -> str:
    return "" if _finite(value) is None else repr(float(value or 0.0))


def printed(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return the comparison as a table of text; a paper's figures follow each score that has any."""
    head = ["row"]
    papers = {c: any(row.cells[c].paper is not None for row in comparison.rows) for c in comparison.columns}
    for column in comparison.columns:
        head += [column_label(comparison, column), *(["paper"] if papers[column] else [])]
    body = []
    for row in comparison.rows:
        cells = [row.row.label + (NOT_COMPARABLE if row.obstacles else "")]
        for column in comparison.columns:
            cell = row.cells[column]
            cells += [cell_text(cell), *([paper_text(cell)] if papers[column] else [])]
        body.append(cells)
    return head, body


def column_label(comparison: Comparison, column: str) -> str:
    """Return a column's heading, with an arrow that points where better is."""
    place, _, subject = column.partition("@")
    directions = {row.cells[column].higher_is_better for row in comparison.rows} - {None}
    arrow = (" ↑" if True in directions else " ↓") if len(directions) == 1 else ""
    label = metric_label(place.partition(".")[2])
    return f"{label}{f', {subject}' if subject else ''}{arrow}"


def cell_text(cell: ComparedCell) -> str:
    """Return mean and standard deviation over seeds, or a single run's value with its interval."""
    if not cell.values:
        return "-"
    if cell.few:
        return NOT_ENOUGH
    value = _text(cell, cell.mean)
    if len(cell.values) > 1 and not cell.deviation:  # a cost, which no seed changes
        return value
    if len(cell.values) > 1:
        return f"{value} ± {_text(cell, cell.deviation)}"
    if cell.resampled is not None:
        found = cell.resampled
        return f"{found.mean:.4f} ± {found.deviation:.4f} ({found.low:.4f} to {found.high:.4f})"
    low, high = _finite(cell.low), _finite(cell.high)
    return value if low is None or high is None else f"{value} ({_text(cell, low)} to {_text(cell, high)})"


def _text(cell: ComparedCell, value: float) -> str:
    if not cell.unit and 10 <= abs(value) < 100:
        return f"{value:.2f}"  # FID, likelihood ratios and persons to screen, as papers print them
    return percent(value) if cell.percent else number(value, cell.unit)


def paper_text(cell: ComparedCell) -> str:
    """Return the paper's figure."""
    if cell.paper is None:
        return "-"
    if isinstance(cell.paper, str):
        return cell.paper
    three = f"{cell.paper:.3f}"
    return three if float(three) == cell.paper else f"{cell.paper:g}"


def _markdown(comparison: Comparison, facts: Mapping[str, Any]) -> str:
    facts = without_names(facts)
    asked = f"Preset {facts['preset']}, data {facts['data']}, seeds {', '.join(map(str, facts['seeds']))}."
    worth = " ".join(comparison.sentences)
    parts = [f"# {facts['title']}", facts.get("about", ""), asked, worth, _table(*printed(comparison))]
    obstacles = [
        f"{row.row.label} is not comparable: {'; '.join(row.obstacles)}" for row in comparison.rows if row.obstacles
    ]
    parts.append(
        "\n".join(f"- {text}" for text in [*obstacles, *facts.get("warnings", ()), *warning_texts(comparison)])
    )
    if facts.get("paper"):
        parts.append(f"Paper: {facts['paper']}.")
    if comparison.pairs:
        parts += [f"## Tested against {comparison.reference}", _table(PAIR_COLUMNS, pair_rows(comparison.pairs))]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rule = [":---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in [head, rule, *body])


def value_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table with every seed's value of every score."""
    seeds = _seeds(comparison)
    body = [
        [row.row.label, column_label(comparison, column), *(_value(cell, seed) for seed in seeds)]
        for row in comparison.rows
        for column, cell in row.cells.items()
        if cell.values and row.results
    ]
    return ["row", "score", *(f"seed {seed}" for seed in seeds)], body


def _value(cell: ComparedCell, seed: str) -> str:
    return _text(cell, cell.values[seed]) if seed in cell.values else "-"


def _seeds(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(seed for row in comparison.rows for seed in row.results))
