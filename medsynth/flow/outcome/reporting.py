"""The last stage: the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.api import Classifier, Result, RunInfo, Section, Subject
from medsynth.bundle.format.privacy import without_locations
from medsynth.bundle.writing.contents import PluginVersion
from medsynth.data.preparing import Data
from medsynth.data.pseudonyms import IMAGE
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.outcome.evaluation import Evaluation
from medsynth.flow.outcome.importance import importance_rows
from medsynth.flow.stages.building import policy_of
from medsynth.report import Case, GalleryRow, ImportanceRow, ReportContent, content_verdict, write_report
from medsynth.results.run_record import CAUTIONS, texts
from medsynth.training.inspection import inspect

GALLERY = 8


def plugin_versions(run: Run) -> list[PluginVersion]:
    """Return the plugins of a run with their references, as a bundle names them."""
    return [
        PluginVersion(**plugin, reference=run.registry.load(plugin["kind"], plugin["name"]).reference)
        for plugin in run.record["plugins"]
    ]


def counts(data: Data) -> dict[str, dict[str, int]]:
    """Count images by domain and class, per split."""
    names = {1: data.positive, 0: f"not {data.positive}", None: "label unknown"}
    table: dict[str, dict[str, int]] = {}
    for (domain, label, split), number in sorted(
        Counter((r.domain, r.label, r.split) for r in data.records).items(), key=lambda item: str(item[0])
    ):
        table.setdefault(f"{domain}, {names[label]}", {})[split] = number
    return table


def write_run_report(
    seed_run: SeedRun, data: Data, classifiers: Mapping[str, Classifier], evaluation: Evaluation, bundle: Path
) -> Result:
    """Write report.html, after asking observers for further sections."""
    run, plan = seed_run.run, seed_run.run.plan
    path = seed_run.folder / "report.html"
    result = Result(scores=evaluation.scores, bundle=str(bundle), report=str(path))
    with run.stage(seed_run.stage_name("report")):
        histories = evaluation.histories
        place = f" on {Path(plan.data.path).name}" if data.pseudonyms.shown else ""
        content = ReportContent(
            title=f"{plan.generator} + {plan.classifier}{place}",
            scores=evaluation.scores,
            measurements=evaluation.measurements,
            predictions=evaluation.predictions,
            gallery=_gallery(evaluation, data),
            cases=_cases(evaluation, data),
            importance=_importance(run, data, classifiers, evaluation),
            inspection=inspect(
                classifiers[Subject.SYNTHETIC],
                data.images.select(domain="target", split="test", labeled=True),
                policy_of(plan),
            ),
            curves={name: _curves(history, "losses") for name, history in histories.items()},
            validation={name: _curves(history, "validation") for name, history in histories.items()},
            **of_every_report(run, data, seed=seed_run.seed),
            sections=observer_sections(run, result),
            references=[plugin.reference for plugin in plugin_versions(run) if plugin.reference],
            seed=seed_run.seed,
        )
        write_report(seed_run.folder, content)
        if len(plan.seeds) == 1:
            conclude(run, content)
    return result


def of_every_report(run: Run, data: Data, **facts: Any) -> dict[str, Any]:
    """Return what a `ReportContent` says of one training and of several; paths and names as the user wants them.

    Warnings are those up to now. `facts` are told with how and where the run was.
    """
    told = {key: value for key, value in run.record.items() if key not in ("stages", "warnings", "verdict")}
    plan = run.plan.as_dict()
    return {
        "plan": plan if run.plan.data.show_names else dict(without_locations(plan)),
        "run": told | facts,
        "counts": counts(data),
        "stage_seconds": {name: stage["seconds"] for name, stage in run.record["stages"].items()},
        "warnings": [data.pseudonyms.hide(text) for text in texts(run.record)],
        "cautions": [data.pseudonyms.hide(text) for text in texts(run.record, CAUTIONS)],
        "positive": data.positive,
    }


def conclude(run: Run, content: ReportContent) -> None:
    """Keep what the report says first in run.json, for scripts and for the terminal."""
    run.record["verdict"] = asdict(content_verdict(content))
    run.save()


def observer_sections(run: Run, result: Result) -> list[Section]:
    """Collect what observers add; one that fails is named in a warning."""
    sections: list[Section] = []
    info: RunInfo = run.info()
    for hooks in run.registry.observers():
        try:
            sections += [
                section for part in hooks.medsynth_report_sections(run=info, result=result) for section in part
            ]
        except Exception as failure:  # an observer must not end a run
            run.warn("observer-failed", f"an observer failed to add to the report: {type(failure).__name__}: {failure}")
    return sections


def _curves(history: Mapping[str, Any], kind: str) -> dict[str, list[float]]:
    """Join the phases of one training, one after the other; NaN for epochs without a value."""
    joined: dict[str, list[float]] = {}
    before = 0
    for phase in history["phases"]:
        found = {name: _by_epoch(values, phase["validated"], kind) for name, values in phase[kind].items()}
        for name, values in found.items():
            known = joined.setdefault(name, [])
            known += [float("nan")] * (before - len(known)) + values
        before += max(map(len, (*phase["losses"].values(), *found.values())), default=0)
    return joined


def _by_epoch(values: list[float], epochs: list[int], kind: str) -> list[float]:
    if kind == "losses":
        return values
    placed = dict(zip(epochs, values, strict=True))
    return [placed.get(epoch, float("nan")) for epoch in range(1, epochs[-1] + 1)]


def _importance(
    run: Run, data: Data, classifiers: Mapping[str, Classifier], evaluation: Evaluation
) -> list[ImportanceRow]:
    """Return importance maps; a classifier of a plugin need not have features that they could show."""
    judged = evaluation.predictions[Subject.SYNTHETIC]
    try:
        return importance_rows(
            classifiers, evaluation.evidence.real, judged, main=Subject.SYNTHETIC, called=_called(data)
        )
    except ValueError as error:
        run.warn("no-importance-maps", f"the report has no importance maps: {error}")
        return []


def _called(data: Data) -> Callable[[str], str]:
    """Return what the report calls an image by its name."""
    names = data.pseudonyms
    return lambda name: Path(name).name if names.shown else names.alias(IMAGE, name)


def _cases(evaluation: Evaluation, data: Data) -> list[Case]:
    """Return every real test image with what the main classifier said of it."""
    judged, real = evaluation.predictions[Subject.SYNTHETIC], evaluation.evidence.real
    called = _called(data)
    return [
        Case(
            name=called(str(real.names[index])),
            image=real.images[index],
            label=int(judged.labels[index]),
            probability=float(judged.probabilities[index]),
            threshold=judged.threshold,
        )
        for index in range(len(real))
    ]


def _gallery(evaluation: Evaluation, data: Data) -> list[GalleryRow]:
    evidence = evaluation.evidence
    training = evidence.training.images
    rows = []
    for index in np.linspace(0, len(evidence.source) - 1, min(GALLERY, len(evidence.source))).round().astype(int):
        synthetic = evidence.synthetic.images[index]
        nearest = min(range(len(training)), key=lambda i: float(np.square(training[i] - synthetic).mean()))
        label = {1: "positive", 0: "negative"}.get(int(evidence.source.labels[index]), "label unknown")
        rows.append(
            GalleryRow(
                source=evidence.source.images[index],
                synthetic=synthetic,
                nearest=training[nearest],
                truth=None if evidence.truth is None else evidence.truth.images[index],
                caption=f"{_called(data)(str(evidence.source.names[index]))}, {label}",
            )
        )
    return rows
