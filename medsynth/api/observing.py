"""What observers see of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from medsynth.api.evidence import Score


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run as observers see it (read-only)."""

    folder: str
    plan: Mapping[str, Any]
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageInfo:
    """A stage that ended."""

    name: str
    status: Literal["finished", "failed"]
    seconds: float
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """An extra part of the report. ``html`` is inserted as it is: escape what you did not write."""

    title: str
    html: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a run ends with."""

    scores: Sequence[Score]
    bundle: str
    report: str
