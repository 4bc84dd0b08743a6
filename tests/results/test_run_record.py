"""Warnings in run.json: kind, stage and text, once, and as of the last time a stage was entered."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from medsynth.results.run_record import CAUTIONS, enter_stage, keep_warning, of_seed, texts
from medsynth.training.monitoring import kind_of

ROOT = Path(__file__).parents[2]


def test_a_warning_is_kept_once_per_stage_and_shown_once() -> None:
    record: dict[str, Any] = {}
    enter_stage(record, "generator")
    shown = [keep_warning(record, stage="generator", kind="collapse", text="it fell") for _ in range(2)]
    shown.append(keep_warning(record, stage="evaluation", kind="collapse", text="it fell"))
    assert shown == [True, False, False]
    assert record["warnings"] == [
        {"kind": "collapse", "stage": "generator", "text": "it fell"},
        {"kind": "collapse", "stage": "evaluation", "text": "it fell"},
    ]
    keep_warning(record, stage="data", kind="patients-unknown", text="whose?")
    assert texts(record) == ["it fell", "whose?"]
    assert texts(record, CAUTIONS) == ["whose?"]


def test_a_stage_that_is_entered_again_warns_again_of_what_is_still_so_and_of_nothing_else() -> None:
    record: dict[str, Any] = {}
    keep_warning(record, stage="data", kind="a", text="one")
    keep_warning(record, stage="report", kind="b", text="two")
    enter_stage(record, "report")
    assert texts(record) == ["one"]
    assert keep_warning(record, stage="report", kind="b", text="two")


def test_a_seeds_warnings_are_its_own_and_those_of_what_all_seeds_share() -> None:
    record: dict[str, Any] = {}
    for stage in ("data", "seed 4 generator", "seed 42 generator"):
        keep_warning(record, stage=stage, kind="a", text=stage)
    assert [warning["stage"] for warning in of_seed(record, 4)] == ["data", "seed 4 generator"]
    assert of_seed({}, 4) == []


def test_every_kind_that_the_core_warns_of_is_documented() -> None:
    listed = (ROOT / "docs/formats.md").read_text().partition("## Warnings")[2]
    kinds = {kind_of(f"{name}: text") for name in ("contrast inversion", "collapse", "checkerboard", "exploding loss")}
    for path in (ROOT / "medsynth").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "warn" and isinstance(node.args[0], ast.Constant):
                kinds.add(str(node.args[0].value))
    assert len(kinds) > 7
    assert sorted(kind for kind in kinds if f"`{kind}`" not in listed) == []
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", kind) for kind in kinds)
