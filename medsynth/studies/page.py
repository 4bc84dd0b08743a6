"""The report of a study: one self-contained page in the look of a run's report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from medsynth.api import Subject
from medsynth.base.files import new_folder, write_text
from medsynth.data.listing.paths import relative
from medsynth.report.downloads import Download, file_name, latex_text, spreadsheet_text
from medsynth.report.drawing.svg import standalone
from medsynth.report.pictures import MOST_BYTES, Strip, strips_of
from medsynth.report.tables import flat, metric_label
from medsynth.report.writer import page_environment, page_script
from medsynth.results.pairs import PAIR_COLUMNS, pair_rows
from medsynth.results.run_images import Translations, translations_of
from medsynth.results.worths import WORTH_COLUMNS, worth_rows
from medsynth.studies.comparison import Comparison
from medsynth.studies.comparison_figures import comparison_figures
from medsynth.studies.comparison_files import printed, to_csv, value_rows, warning_texts, without_names

ASKED = ("medsynth", "preset", "device", "data", "seeds", "settings", "split", "hardware", "versions", "shared")
IMAGES = 4
"""Held-out source images that are shown with their translations."""


@dataclass(frozen=True)
class PageTable:
    """One table of the page; `main` is the first cell of the row that stands out."""

    caption: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]
    download: Download
    main: str = ""


def write_page(folder: Path, comparison: Comparison, facts: Mapping[str, Any], *, draw_bootstrap: bool = False) -> Path:
    """Write ``report.html`` and its figures as SVG files into `folder`; return the page's path.

    Args:
        folder: of the study.
        comparison: the rows.
        facts: as study.json holds them.
        draw_bootstrap: also the scores in resamples of the test patients.
    """
    facts = without_names(facts)
    figures = comparison_figures(comparison, draw_bootstrap=draw_bootstrap)
    with new_folder(folder / "figures") as drawn:
        for name, (figure, _) in figures.items():
            write_text(drawn / f"{name}.svg", standalone(figure))
    head, body = printed(comparison)
    compared = PageTable(
        "Comparison",
        head,
        body,
        Download("comparison", to_csv(comparison), latex_text(head, body)),
        comparison.reference,
    )
    tests = pair_rows(comparison.pairs)
    images, seed = side_by_side(comparison)
    page = (
        page_environment()
        .get_template("study.html")
        .render(
            facts=facts,
            sentence=sentence(comparison),
            worth=comparison.sentences,
            warnings=[*facts["warnings"], *warning_texts(comparison)],
            comparison=compared,
            spread=spread(comparison),
            images=images,
            seed=seed,
            **page_script("page.js", *(["compare.js"] if images else [])),
            tests=_table("Tests", PAIR_COLUMNS, tests) if tests else None,
            worths=[
                _table(f"Worth of synthesis, {one.label}", WORTH_COLUMNS, worth_rows(one)) for one in comparison.worths
            ],
            values=_table("Every seed", *value_rows(comparison)),
            obstacles=[(row.row.label, "; ".join(row.obstacles)) for row in comparison.rows if row.obstacles],
            figures=[(Markup(figure), caption) for figure, caption in figures.values()],
            reports=_reports(folder, comparison, everywhere=facts.get("show_names", False)),
            asked=flat({name: facts[name] for name in ASKED if facts.get(name) not in (None, "", [], {})}),
        )
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _table(caption: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> PageTable:
    name = file_name(caption.lower())
    return PageTable(caption, head, body, Download(name, spreadsheet_text(head, body), latex_text(head, body)))


def _reports(folder: Path, comparison: Comparison, *, everywhere: bool) -> list[tuple[str, str]]:
    """Return the reports of all runs with their labels, each once: of those below `folder`, or of all."""
    found = {result.folder: result for row in comparison.rows for result in row.results.values()}
    return [
        (f"report of {relative(path, folder)}", relative(path / "report.html", folder))
        for path in found
        if (path / "report.html").exists() and (everywhere or path.resolve().is_relative_to(folder.resolve()))
    ]


def side_by_side(comparison: Comparison) -> tuple[list[Strip], str]:
    """Return what runs made of the same source images, and the seed of these runs; "" if they have none in common.

    Rows that made the same images are shown once, and rows whose images are gone are left out.
    """
    rows = {
        row.row.label: row.results for row in comparison.rows if row.results and row.row.subject == Subject.SYNTHETIC
    }
    common = [seed for seed in next(iter(rows.values()), ()) if all(seed in results for results in rows.values())]
    seed = common[0] if common else ""
    runs = {label: results[seed] if seed else next(iter(results.values())) for label, results in rows.items()}
    found = translations_of(runs, IMAGES)
    return strips_of(map(_strip, found), MOST_BYTES["gallery"]), seed


def _strip(image: Translations) -> tuple[str, list[tuple[str, np.ndarray | None]]]:
    made = image.made if len(image.made) > 1 else {"synthetic": next(iter(image.made.values()))}
    caption = {1: "positive", 0: "negative", None: "label unknown"}[image.label]
    return caption, [("source", image.source), *made.items(), ("true counterpart", image.truth)]


def spread(comparison: Comparison) -> str:
    """Say what stands beside the values of the table, and nothing that does not."""
    cells = [cell for row in comparison.rows for cell in row.cells.values() if cell.values]
    several, one = ([cell for cell in cells if (len(cell.values) > 1) is many] for many in (True, False))
    texts = ["Mean ± standard deviation over seeds." if several else "One run each."]
    if any(cell.resampled for cell in one):
        texts.append("Mean ± standard deviation and, in parentheses, central 95 % of resamples of the test patients.")
    elif any(cell.low is not None for cell in one):
        start = "Of rows with one run in" if several else "In"
        texts.append(f"{start} parentheses the interval from resampling test patients.")
    return " ".join(texts)


def sentence(comparison: Comparison) -> str:
    """Return what the tests allow to say about differences, and no more."""
    if not comparison.pairs:
        return "The table says what was measured; no difference was tested."
    known = [pair for pair in comparison.pairs if math.isfinite(pair.adjusted)]
    told = [pair for pair in known if pair.adjusted < 0.05]
    listed = "; ".join(
        f"{pair.label}, {metric_label(pair.metric)} {pair.difference.value:+.3f} (seed {pair.seed})"
        for pair in told[:6]
    )
    start = f"{len(told)} of {len(known)} differences to {comparison.reference} are significant at 5 %"
    end = f": {listed}{'; ...' if len(told) > 6 else ''}" if told else ""
    return f"{start} after Holm's correction{end}."
