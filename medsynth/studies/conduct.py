"""A study from its grid to its comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError, RunError
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.base.version import __version__
from medsynth.flow.start.preflight import check_plan, check_plugins
from medsynth.plugins import Registry
from medsynth.results.reading import RunResult, read_run
from medsynth.studies.cluster import Cluster, run_on_ray
from medsynth.studies.comparison import Comparison, compare
from medsynth.studies.comparison_files import write_comparison
from medsynth.studies.folder import RUNS
from medsynth.studies.page import write_page
from medsynth.studies.pool import Outcome, run_all
from medsynth.studies.study import Study, StudyRun


def check_study(study: Study, registry: Registry, folder: Path) -> None:
    """Refuse before the first byte is written what any run would refuse; the images are looked at once.

    Raises:
        InputError: as `medsynth.flow.start.preflight.check_plan` does.
    """
    plans = [study.plan(run, registry) for run in study.runs()]
    for plan in plans[1:]:
        check_plugins(plan, registry)
    check_plan(plans[0], registry, folder)


def conduct(
    study: Study, folder: Path, *, workers: int, watch: Watch, stop: Stop, cluster: Cluster | None = None
) -> Comparison:
    """Carry out or continue all runs of a study and compare them.

    Args:
        study: resolved; its study.toml lies in `folder`.
        folder: of the study.
        workers: processes at a time; on a cluster its resources decide.
        watch, stop: progress and interruption.
        cluster: where the runs are done; None = on this machine.

    Raises:
        InputError: the cluster cannot be used.
        RunError: a run failed; those that did not are compared all the same.
        Interrupted: a stop was requested; it can be continued.
    """
    if cluster is None:
        outcomes = run_all(folder, study.runs(), workers=workers, watch=watch, stop=stop)
    else:
        outcomes = run_on_ray(folder, study.runs(), cluster, watch=watch, stop=stop)
    failed = [outcome for outcome in outcomes if outcome.error]
    found = {run: read_run(folder / RUNS / run.name)[0] for run in study.runs() if _finished(folder, run, failed)}
    comparison = compare(study.table, study.rows, _by_row(study, found))
    facts = _facts(study, found, failed)
    write_comparison(folder, comparison, facts)
    write_page(folder, comparison, facts, draw_bootstrap=study.table.bootstrap)
    if failed:
        raise RunError(
            f"{len(failed)} of {len(outcomes)} runs failed; the first: {failed[0].name}: {failed[0].error}",
            hint=f"The others are compared in {folder / 'report.html'}. Continue with --resume.",
        )
    return comparison


def _finished(folder: Path, run: StudyRun, failed: Sequence[Outcome]) -> bool:
    if any(outcome.name == run.name for outcome in failed):
        return False
    try:
        return bool(read_run(folder / RUNS / run.name))
    except InputError:
        return False


def _by_row(study: Study, found: Mapping[StudyRun, RunResult]) -> dict[str, dict[str, RunResult]]:
    """Return the results of each row by its label and by seed."""
    return {
        row.label: {
            str(run.seed): result
            for run, result in found.items()
            if (run.generator, run.classifier, run.ablation) == (row.generator, row.classifier, row.ablation)
            and row.seed in (-1, run.seed)
        }
        for row in study.rows
        if not row.given
    }


def _facts(study: Study, found: Mapping[StudyRun, RunResult], failed: Sequence[Outcome]) -> dict[str, Any]:
    """Return what was asked and how it ran."""
    stages: dict[str, float] = {}
    for result in found.values():
        for name, stage in result.record["stages"].items():
            stages[name] = round(stages.get(name, 0.0) + stage["seconds"], 2)
    first = next(iter(found.values()), None)
    return {
        "title": study.grid.title or study.name,
        "about": study.grid.about,
        "name": study.name,
        "medsynth": __version__,
        "preset": study.preset,
        "device": study.device,
        "data": study.grid.data,
        "seeds": list(study.grid.seeds),
        "settings": list(study.grid.settings),
        "show_names": bool(first and first.plan["data"].get("show_names")),
        "paper": study.table.paper,
        "split": first.split if first else "",
        "hardware": first.record["hardware"] if first else {},
        "versions": first.record["versions"] if first else {},
        "seconds": stages,
        "shared": {run.name: result.record.get("shared", {}) for run, result in found.items()},
        "warnings": [f"{outcome.name} failed: {outcome.error}" for outcome in failed],
    }
