"""Fills the template and writes report.html."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medsynth.api import Predictions, Subject
from medsynth.base.files import new_folder, write_text
from medsynth.base.progress import duration
from medsynth.report import tables
from medsynth.report.cases import case_rows
from medsynth.report.content import Curves, ReportContent
from medsynth.report.downloads import count_download, inspection_download, score_download
from medsynth.report.drawing.classifier_figures import (
    bootstrap_figure,
    calibration_figure,
    precision_figure,
    roc_figure,
)
from medsynth.report.drawing.figures import curve_panels, curves_figure, interval_figure
from medsynth.report.drawing.svg import standalone
from medsynth.report.pictures import front_cases, front_gallery, gallery, importance, mistakes
from medsynth.report.screening import prevalence_figure, screening_table
from medsynth.report.verdict import RunVerdict, find, verdict
from medsynth.statistics.gain import EVALUATOR, gains

PAPER = "Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026."
_SPECIAL = ("image-quality", "diagnostic", "screening", "efficiency", EVALUATOR)
RATES = ("sensitivity", "specificity")
Figure = Callable[..., str]
CLASSIFIER_FIGURES: Mapping[str, tuple[Figure, str]] = {
    "roc": (
        roc_figure,
        "ROC on real test images. Band: 95 % of resamples of patients, for the first row. Markers: chosen thresholds.",
    ),
    "precision": (precision_figure, "Precision over sensitivity, with the same band. Gray: calling at random."),
    "calibration": (
        calibration_figure,
        "Calibration: how often a case is positive whose probability was so large. On the diagonal, probabilities are "
        "honest. Bars: 95 % of resamples of patients, for the first row.",
    ),
    "bootstrap": (bootstrap_figure, "AUC in resamples of patients: histogram, median, quartiles and central 95 %."),
}


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write ``report.html`` into `folder`, one file that needs no other and no network, and its figures as SVG files.

    Equal content gives equal bytes.

    Returns:
        Path of the file.

    Raises:
        RunError: it cannot be written.
    """
    path, values = folder / "report.html", _values(content)
    with new_folder(folder / "figures") as figures:
        for name, figure in values["figures"].items():
            write_text(figures / f"{name}.svg", standalone(figure))
    write_text(path, page_environment().get_template("template.html").render(**values))
    return path


def content_verdict(content: ReportContent) -> RunVerdict:
    """Return what the page says first."""
    found = verdict(content.scores, gains([content.predictions]) if content.gains is None else content.gains)
    return replace(found, remarks=(*found.remarks, *content.cautions))


def page_environment() -> Environment:
    """Return what fills the templates of pages: escapes everything, refuses names without a value."""
    environment = Environment(
        loader=PackageLoader("medsynth", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(number=tables.number, percent=tables.percent, duration=duration)
    return environment


def _values(content: ReportContent) -> dict[str, Any]:
    """Return everything the template shows, ready to be printed."""
    everything = [*content.scores, *content.measurements]
    found = tables.score_tables(everything)
    judged = _classifier_figures(content)
    screening = screening_table(content.scores, Subject.SYNTHETIC)
    prevalence = _prevalence_figure(content) if screening else {}
    curves, validation = _curves("training", content.curves), _curves("validation", content.validation)
    splits = list(dict.fromkeys(split for row in content.counts.values() for split in row))
    said = content_verdict(content)
    return {
        "content": content,
        "verdict": said,
        "remarks": [remark for remark in said.remarks if remark not in content.warnings],
        "worth": found.get(EVALUATOR),
        "headline": _headline(content),
        "asked": _asked(content.plan),
        "plan": tables.flat(content.plan),
        "run": tables.flat(content.run),
        "splits": splits,
        "front_gallery": front_gallery(content.gallery),
        "front_cases": front_cases(content.cases),
        "front_figure": next(((Markup(figure), caption) for figure, caption in judged.values()), None),
        "mistakes": mistakes(content.cases),
        "case_rows": case_rows(content.cases),
        "gallery": gallery(content.gallery),
        "importance": importance(content.importance),
        "quality": found.get("image-quality"),
        "diagnostic": found.get("diagnostic"),
        "cost": found.get("efficiency"),
        "others": [table for name, table in found.items() if name not in _SPECIAL],
        "confusions": tables.confusions(content.predictions),
        "screening": screening,
        "rates": [tables.cell(score) for name in RATES if (score := find(content.scores, name, Subject.SYNTHETIC))],
        "prevalence_figures": [Markup(figure) for figure in prevalence.values()],
        "classifier_figures": [(Markup(figure), caption) for figure, caption in list(judged.values())[1:]],
        "curves": [(title, Markup(figure)) for title, figure in curves.values()],
        "validation": [(title, Markup(figure)) for title, figure in validation.values()],
        "figures": prevalence
        | {name: figure for name, (figure, _) in judged.items()}
        | {name: figure for name, (_, figure) in (curves | validation).items()},
        "files": {name: score_download(table, everything) for name, table in found.items()}
        | ({"screening": screening.download} if screening else {})
        | ({"inspection": inspection_download(content.inspection)} if content.inspection else {})
        | {"images": count_download(content.counts, splits)},
        **page_script("page.js", *(["compare.js"] if content.gallery or content.importance or content.cases else [])),
        "references": _cited(content.references),
    }


def _headline(content: ReportContent) -> list[tuple[str, tables.Cell]]:
    """Return the few numbers that a reader looks for first."""
    names = ("roc_auc", "sensitivity", "specificity", "kid", "fid")
    found = ((name, find(content.scores, name, Subject.SYNTHETIC)) for name in names)
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


def _classifier_figures(content: ReportContent) -> dict[str, tuple[str, str]]:
    """Return figures with their captions by name; of rows whose test images have both classes."""
    if complete := _complete(content):
        return {name: (draw(complete, seed=content.seed), text) for name, (draw, text) in CLASSIFIER_FIGURES.items()}
    subjects = tables.ordered(score.subject for score in content.scores if score.name == "roc_auc")
    scores = [score for subject in subjects if (score := find(content.scores, "roc_auc", subject))]
    return {"auc": (interval_figure(scores), "AUC with intervals.")} if scores else {}


def _prevalence_figure(content: ReportContent) -> dict[str, str]:
    complete = _complete(content)
    return {"prevalence": prevalence_figure(complete, seed=content.seed)} if complete else {}


def _complete(content: ReportContent) -> dict[str, Predictions]:
    """Return the predictions of images that have both classes, the run's own row first."""
    rows = {subject: content.predictions[subject] for subject in tables.ordered(content.predictions)}
    return {subject: judged for subject, judged in rows.items() if {0, 1} <= set(judged.labels.tolist())}


def _curves(kind: str, curves: Curves) -> dict[str, tuple[str, str]]:
    """Return title and figure by the figure's name; trainings with the same losses or metrics share one."""
    groups: dict[tuple[str, ...], dict[str, Mapping[str, Sequence[float]]]] = {}
    for title, losses in curves.items():
        drawn = {name: values for name, values in losses.items() if len(values)}
        if drawn:
            groups.setdefault(tuple(drawn), {})[title] = drawn
    return {
        f"{kind}-{index}": (
            ", ".join(tables.subject_label(title) for title in group),
            curves_figure(f"{kind}-{index}", curve_panels(group)),
        )
        for index, group in enumerate(groups.values())
    }


def _cited(references: Sequence[str]) -> list[str]:
    """Return each work once, however often and with whichever full stop it is named."""
    works = [work.strip().rstrip(".") for listed in (PAPER, *references) for work in listed.split("; ")]
    return [f"{work}." for work in dict.fromkeys(filter(None, works))]


def page_script(*names: str) -> dict[str, object]:
    """Return the scripts of a page as one, and its hash.

    The page forbids all other scripts, so that nothing a user wrote can become one.
    """
    files = (resources.files("medsynth") / "report" / name for name in names)
    script = "".join(file.read_text(encoding="utf-8") for file in files)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"script": Markup(script), "script_hash": f"sha256-{digest}"}
