"""The warnings in a run's record: kind, stage and text of each, so that scripts and studies see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

WARNINGS = "warnings"
CAUTIONS = ("patients-unknown",)
"""Kinds of warnings without which the verdict would say too much."""


def enter_stage(record: dict[str, Any], stage: str) -> None:
    """Forget what a stage warned of the last time: what it finds again is warned of again."""
    record[WARNINGS] = [warning for warning in record.get(WARNINGS, ()) if warning["stage"] != stage]


def keep_warning(record: dict[str, Any], *, stage: str, kind: str, text: str) -> bool:
    """Add a warning, unless it is there already; return whether its text is new, in whatever stage."""
    new = text not in texts(record)
    found = {"kind": kind, "stage": stage, "text": text}
    if found not in record.setdefault(WARNINGS, []):
        record[WARNINGS].append(found)
    return new


def texts(record: Mapping[str, Any], kinds: Collection[str] = ()) -> list[str]:
    """Return the texts of all warnings, or of those of some kinds, each once."""
    found = (warning for warning in record.get(WARNINGS, ()) if not kinds or warning["kind"] in kinds)
    return list(dict.fromkeys(warning["text"] for warning in found))


def of_seed(record: Mapping[str, Any], seed: int) -> list[Mapping[str, str]]:
    """Return the warnings that concern one training: its own, and those of what all seeds share."""
    found: Sequence[Mapping[str, str]] = record.get(WARNINGS, ())
    return [w for w in found if not w["stage"].startswith("seed ") or w["stage"].startswith(f"seed {seed} ")]
