"""Several seeds: every value, mean and spread, and one bundle for the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
from scipy import stats

from medsynth.api import Result, Score, Section
from medsynth.data import Data
from medsynth.evaluation import MEASUREMENTS, SCORES, read_scores, write_scores
from medsynth.files import new_folder
from medsynth.publishing import counts, observer_sections
from medsynth.report import ReportContent, write_report
from medsynth.runs import Run


def summarize_seeds(run: Run, data: Data, results: Sequence[Result]) -> Result:
    """Write scores, report, bundle and synthetic images of a run of several seeds into its folder.

    A score's value is the mean over seeds; its interval is Student's t interval of that mean (95 %). Bundle
    and synthetic images are those of the seed whose classifier validated best.
    """
    folders = [run.folder / "seeds" / str(seed) for seed in run.plan.seeds]
    with run.stage("report"):
        for name in (SCORES, MEASUREMENTS):
            write_scores(run.folder / name, mean_scores([read_scores(folder / name) for folder in folders]))
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
            plan=run.plan.as_dict(),
            run={key: value for key, value in run.record.items() if key != "stages"},
            scores=result.scores,
            measurements=read_scores(run.folder / MEASUREMENTS),
            counts=counts(data),
            stage_seconds={name: stage["seconds"] for name, stage in run.record["stages"].items()},
            warnings=run.warnings,
            sections=[_seed_table(run.plan.seeds, results), *observer_sections(run, result)],
            positive=data.positive,
        )
        write_report(run.folder, content)
    return result


def mean_scores(per_seed: Sequence[Sequence[Score]]) -> list[Score]:
    """Average scores that all seeds have, keeping the first seed's order.

    Example:
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
    history = json.loads((folder / "classifier" / "synthetic" / "history.json").read_text())
    return tuple(float(part) for part in history["best"]["key"])


def _seed_table(seeds: Sequence[int], results: Sequence[Result]) -> Section:
    rows = []
    for first in results[0].scores:
        key = (first.evaluator, first.name, first.subject)
        values = [
            next((f"{s.value:.4f}" for s in r.scores if (s.evaluator, s.name, s.subject) == key), "") for r in results
        ]
        cells = "".join(f"<td>{escape(text)}</td>" for text in (*key, *values))
        rows.append(f"<tr>{cells}</tr>")
    links = "".join(f'<th scope="col"><a href="seeds/{s}/report.html">seed {s}</a></th>' for s in seeds)
    names = "".join(f'<th scope="col">{name}</th>' for name in ("evaluator", "score", "subject"))
    return Section(
        title="Every seed",
        html=f"<table><caption>Scores of every seed</caption><thead><tr>{names}{links}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>",
    )
