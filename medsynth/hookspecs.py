"""The hooks a plugin can implement. Declaring hooks return a spec; observer hooks only look."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from medsynth.api import (
    ClassifierSpec,
    EvaluatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    Result,
    RunInfo,
    Section,
    StageInfo,
)

hookspec = pluggy.HookspecMarker("medsynth")


@hookspec
def medsynth_generator() -> GeneratorSpec:  # type: ignore[empty-body]
    """Declare a generator; called once after its plugin is loaded."""


@hookspec
def medsynth_classifier() -> ClassifierSpec:  # type: ignore[empty-body]
    """Declare a classifier; called once after its plugin is loaded."""


@hookspec
def medsynth_evaluator() -> EvaluatorSpec:  # type: ignore[empty-body]
    """Declare an evaluator; called once after its plugin is loaded."""


@hookspec
def medsynth_extractor() -> ExtractorSpec:  # type: ignore[empty-body]
    """Declare a feature extractor; called once after its plugin is loaded."""


@hookspec
def medsynth_stage_finished(run: RunInfo, stage: StageInfo) -> None:
    """Observe a stage that finished or failed: trackers, notifications, extra files."""


@hookspec
def medsynth_report_sections(run: RunInfo, result: Result) -> Sequence[Section]:  # type: ignore[empty-body]
    """Add sections to the report; called once, before it is written."""
