"""Several seeds: every value, mean and spread, what synthesis was worth over all of them, and one bundle."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from medsynth.api import Result, Score, Section, Subject
from medsynth.base.files import new_folder
from medsynth.data.preparing import Data
from medsynth.data.pseudonyms import KEY
from medsynth.flow.folder.runs import Run
from medsynth.flow.outcome.reporting import conclude, observer_sections, of_every_report
from medsynth.report import ReportContent, write_report
from medsynth.report.tables import metric_label, ordered, subject_label
from medsynth.results.gains import gains_of
from medsynth.results.pairs import PAIR_COLUMNS, Tested, compare_pairs, pair_rows
from medsynth.results.reading import read_run
from medsynth.results.run_record import of_seed
from medsynth.results.score_files import MEASUREMENTS, SCORES, read_scores, write_scores
from medsynth.statistics.gain import EVALUATOR, Gain

_SCORE_FILES = (SCORES, MEASUREMENTS)


def summarize_seeds(run: Run, data: Data, results: Sequence[Result]) -> Result:
    """Write scores, report, bundle and synthetic images of a run of several seeds into its folder.

    A score's value is the mean over seeds; its interval is Student's t interval of that mean (95 %). Gains of
    synthesis have one over seeds and test patients. Bundle and synthetic images are those of the seed whose classifier
    validated best.
    """
    folders = [run.folder / "seeds" / str(seed) for seed in run.plan.seeds]
    with run.stage("report"):
        means = {name: mean_scores([read_scores(folder / name) for folder in folders]) for name in _SCORE_FILES}
        over = gains_of(read_run(run.folder))
        write_scores(run.folder / SCORES, with_gains(means[SCORES], over))
        write_scores(run.folder / MEASUREMENTS, means[MEASUREMENTS])
        if (folders[0] / KEY).is_file():
            shutil.copyfile(folders[0] / KEY, run.folder / KEY)
        best = max(folders, key=lambda folder: (_selection_key(folder), -folders.index(folder)))
        for name in ("bundle", "synthetic"):
            with new_folder(run.folder / name) as new:
                shutil.copytree(best / name, new, dirs_exist_ok=True)
        result = Result(
            scores=read_scores(run.folder / SCORES),
            bundle=str(run.folder / "bundle"),
            report=str(run.folder / "report.html"),
        )
        content = ReportContent(
            title=f"{run.plan.generator} + {run.plan.classifier}, {len(folders)} seeds",
            **of_every_report(run, data),
            scores=result.scores,
            measurements=read_scores(run.folder / MEASUREMENTS),
            gains=over,
            sections=[
                *warned_seeds(run.record, run.plan.seeds),
                _seed_table(run.plan.seeds, results),
                *compared_by_seed(run),
                *observer_sections(run, result),
            ],
        )
        write_report(run.folder, content)
        conclude(run, content)
    return result


def mean_scores(per_seed: Sequence[Sequence[Score]]) -> list[Score]:
    """Average scores that all seeds have, keeping the first seed's order.

    Examples:
        >>> one = Score(evaluator="e", name="auc", subject="s", value=0.8, detail="x")
        >>> mean_scores([[one], [replace(one, value=0.9)]])[0].detail
        'x; mean of 2 seeds: 0.8, 0.9; SD 0.0707'
    """
    tables = [{(s.evaluator, s.name, s.subject): s for s in scores} for scores in per_seed]
    means = []
    for key, first in tables[0].items():
        if not all(key in table for table in tables):
            continue
        values = np.array([table[key].value for table in tables])
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        half = float(stats.t.ppf(0.975, len(values) - 1)) * spread / len(values) ** 0.5
        listed = ", ".join(f"{value:.4g}" for value in values)
        note = f"mean of {len(values)} seeds: {listed}; SD {spread:.3g}"
        detail = f"{first.detail}; {note}" if first.detail else note
        means.append(replace(first, value=mean, low=mean - half, high=mean + half, detail=detail))
    return means


def _selection_key(folder: Path) -> tuple[float, ...]:
    history = json.loads((folder / "classifier" / Subject.SYNTHETIC / "history.json").read_text())
    return tuple(float(part) for part in history["best"]["key"])


def with_gains(means: Sequence[Score], over: Sequence[Gain]) -> list[Score]:
    """Replace the means of the seeds' gains by the gains over seeds and patients."""
    return [*(score for score in means if score.evaluator != EVALUATOR), *(gain.as_score() for gain in over)]


def warned_seeds(record: Mapping[str, Any], seeds: Sequence[int]) -> list[Section]:
    """Return which warnings arose in how many seeds; nothing where none did."""
    kinds = Counter(kind for seed in seeds for kind in {w["kind"] for w in of_seed(record, seed)})
    rows = [(kind, f"{count} of {len(seeds)}") for kind, count in sorted(kinds.items())]
    return [Section(title="Warnings by seed", html=_table("Warnings", ("kind", "seeds"), rows))] if rows else []


def compared_by_seed(run: Run) -> list[Section]:
    """Return the classifier trained with synthetic images tested against the others, seed by seed."""
    results = {str(result.plan["seeds"][0]): result for result in read_run(run.folder)}
    files = next(iter(results.values())).folder.glob("evaluation/predictions-*.csv")
    subjects = ordered(path.stem.removeprefix("predictions-") for path in sorted(files))

    def tested(subject: str) -> Tested:
        return subject_label(subject), subject, results

    pairs = compare_pairs(
        [(tested(Subject.SYNTHETIC), tested(other)) for other in subjects if other != Subject.SYNTHETIC]
    )
    if not pairs:
        return []
    note = (
        "The first classifier minus the second, trained with the same seed. Holm: p-value adjusted for all rows of "
        "the table. All rows share the test images, so they are no independent experiments."
    )
    table = _table("Differences seed by seed", PAIR_COLUMNS, pair_rows(tuple(pairs)))
    return [Section(title="Classifiers compared on the same images", html=f'<p class="note">{note}</p>{table}')]


def _seed_table(seeds: Sequence[int], results: Sequence[Result]) -> Section:
    rows = []
    for first in results[0].scores:
        key = (first.evaluator, first.name, first.subject)
        values = [
            next((f"{s.value:.4f}" for s in r.scores if (s.evaluator, s.name, s.subject) == key), "") for r in results
        ]
        rows.append([first.evaluator, metric_label(first.name), subject_label(first.subject), *values])
    links = [f'<a href="seeds/{seed}/report.html">seed {seed}</a>' for seed in seeds]
    return Section(
        title="Every seed", html=_table("Scores of every seed", ("evaluator", "score", "subject", *links), rows)
    )


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that scrolls on its own; `heads` are HTML, cells are text."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
