"""The observer `example-journal`: writes a line per stage into the run's folder and a section into the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsynth.api import Result, RunInfo, Section, StageInfo, hookimpl


@hookimpl
def medsynth_stage_finished(run: RunInfo, stage: StageInfo) -> None:
    """Append the stage's name and outcome to journal.txt."""
    with Path(run.folder, "journal.txt").open("a") as journal:
        journal.write(f"{stage.name} {stage.status}\n")


@hookimpl
def medsynth_report_sections(run: RunInfo, result: Result) -> Sequence[Section]:
    """Say how many scores there are."""
    return [Section(title="Journal", html=f"<p>{len(result.scores)} scores were measured.</p>")]
