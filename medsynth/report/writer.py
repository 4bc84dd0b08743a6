"""Fills the template and writes report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medsynth.files import write_text
from medsynth.report import tables
from medsynth.report.content import Curves, ReportContent
from medsynth.report.figures import curves_figure, interval_figure, roc_figure
from medsynth.report.pictures import gallery
from medsynth.report.screening import screening_table
from medsynth.report.verdict import MAIN, find, verdict

PAPER = "Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026."
_SPECIAL = ("image-quality", "diagnostic", "efficiency")


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write ``report.html`` into `folder`: one file that needs no other and no network.

    Equal content gives equal bytes.

    Returns:
        Path of the file.

    Raises:
        RunError: it cannot be written.
    """
    path = folder / "report.html"
    write_text(path, render(content))
    return path


def render(content: ReportContent) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("medsynth", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(number=tables.number, percent=tables.percent, duration=tables.duration)
    return environment.get_template("template.html").render(**_values(content))


def _values(content: ReportContent) -> dict[str, Any]:
    """Return everything the template shows, ready to be printed."""
    everything = [*content.scores, *content.measurements]
    found = tables.score_tables(everything)
    return {
        "content": content,
        "verdict": verdict(content.scores),
        "headline": _headline(content),
        "asked": _asked(content.plan),
        "plan": tables.flat(content.plan),
        "run": tables.flat(content.run),
        "splits": list(dict.fromkeys(split for row in content.counts.values() for split in row)),
        "gallery": gallery(content.gallery),
        "quality": found.get("image-quality"),
        "diagnostic": found.get("diagnostic"),
        "cost": found.get("efficiency"),
        "others": [table for name, table in found.items() if name not in _SPECIAL],
        "confusions": tables.confusions(content.predictions),
        "screening": screening_table(content.scores, MAIN),
        "roc": _roc(content),
        "intervals": _intervals(content),
        "curves": _curves("training", content.curves),
        "validation": _curves("validation", content.validation),
        "references": list(dict.fromkeys([PAPER, *content.references])),
    }


def _headline(content: ReportContent) -> list[tuple[str, tables.Cell]]:
    """Return the few numbers that a reader looks for first."""
    names = ("roc_auc", "sensitivity", "specificity", "kid", "fid")
    found = ((name, find(content.scores, name, MAIN)) for name in names)
    return [(tables.METRICS[name], tables.cell(score)) for name, score in found if score is not None]


def _asked(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the choices that name a run."""
    parts = {
        "data": ("data", "path"),
        "generator": ("generator", "name"),
        "classifier": ("classifier", "name"),
        "image size": ("data", "size"),
    }
    named = [(label, plan.get(section, {}).get(field)) for label, (section, field) in parts.items()]
    whole = [("preset", plan.get("preset")), ("seeds", plan.get("seeds")), ("device", plan.get("device"))]
    pairs = {label: value for label, value in [*named, *whole] if value not in (None, "", [])}
    return tables.flat(pairs)


def _roc(content: ReportContent) -> Markup | None:
    rows = {subject: content.predictions[subject] for subject in tables.ordered(content.predictions)}
    complete = {subject: judged for subject, judged in rows.items() if {0, 1} <= set(judged.labels.tolist())}
    return Markup(roc_figure(complete, seed=content.seed)) if complete else None


def _intervals(content: ReportContent) -> Markup | None:
    subjects = tables.ordered(score.subject for score in content.scores if score.name == "roc_auc")
    scores = [score for subject in subjects if (score := find(content.scores, "roc_auc", subject))]
    return Markup(interval_figure(scores)) if scores else None


def _curves(kind: str, curves: Curves) -> list[tuple[str, Markup]]:
    drawn = [
        (title, {name: values for name, values in losses.items() if len(values)}) for title, losses in curves.items()
    ]
    return [
        (title, Markup(curves_figure(f"{kind}-{index}", losses)))
        for index, (title, losses) in enumerate(drawn)
        if losses
    ]
