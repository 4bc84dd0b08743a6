"""Figures of a study: what stands where."""

from __future__ import annotations

import math

import pytest

from medsynth.api import Score
from medsynth.studies.comparison import compare
from medsynth.studies.comparison_figures import comparison_figures, cost_figure, cost_interval
from medsynth.studies.study import StudyRow, StudyTable

AUC = "diagnostic.roc_auc"


def area(value: float, low: float | None = None, high: float | None = None) -> Score:
    return Score(evaluator="diagnostic", name="roc_auc", subject="synthetic", value=value, low=low, high=high)


def cost(macs: float, latency: float) -> list[Score]:
    values = {"macs": macs, "latency": latency}
    return [Score(evaluator="efficiency", name=n, subject="classifier", value=v) for n, v in values.items()]


def test_the_interval_of_one_seed_is_its_own_and_of_several_their_standard_deviation() -> None:
    assert cost_interval([area(0.8, 0.7, 0.9)]) == (0.7, 0.9)
    assert cost_interval([area(0.8)]) == (0.8, 0.8)
    spread = math.sqrt(0.02)  # of 0.7 and 0.9, with n - 1
    assert cost_interval([area(0.7, 0.1, 0.9), area(0.9)]) == pytest.approx((0.8 - spread, 0.8 + spread))


def test_cost_is_drawn_where_rows_differ_in_it_and_latency_where_it_was_measured(write_run) -> None:
    results = {
        "cheap": {"1": write_run("a", scores=cost(1e6, 2.0))},
        "dear": {"1": write_run("b", scores=cost(5e6, 3.0))},
    }
    compared = compare(StudyTable(columns=(AUC,)), [StudyRow(label=label) for label in results], results)
    figures = comparison_figures(compared, draw_bootstrap=False)
    assert "million multiply-accumulates" in figures["cost"][0]
    assert "latency, ms" in figures["cost"][0]
    assert all(f">{label}<" in figures["cost"][0] for label in results)
    alike = compare(StudyTable(columns=(AUC,)), [StudyRow(label="cheap")], results)
    assert "cost" not in comparison_figures(alike, draw_bootstrap=False)


def test_rows_of_the_same_predictions_share_one_curve(write_run) -> None:
    result = {"1": write_run("a")}
    rows = [StudyRow(label=f"at {share} %", prevalence=share / 100) for share in (1, 9)]
    rows.append(StudyRow(label="other", subject="real-only"))
    compared = compare(StudyTable(columns=(AUC,)), rows, {row.label: result for row in rows})
    curves = comparison_figures(compared, draw_bootstrap=False)["roc"][0]
    assert [f">{row.label}<" in curves for row in rows] == [True, False, True]


def test_without_measured_latency_only_multiply_accumulates_are_drawn(write_run) -> None:
    rows = compare(
        StudyTable(columns=(AUC,)), [StudyRow(label="a")], {"a": {"1": write_run("a", scores=cost(1e6, 2.0)[:1])}}
    ).rows
    assert "latency" not in cost_figure(list(rows))
