"""The record of a run, run.json, and the warnings in it: kind, stage and text of each, for scripts and studies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.seals import CHECKSUM, read_sealed

PLAN, RECORD = "plan.toml", "run.json"


def read_record(folder: Path, *, older: bool = False) -> dict[str, Any]:
    """Return the content of a run's run.json.

    Args:
        folder: of the run.
        older: take one without a checksum, as versions of medsynth wrote that kept none.

    Raises:
        InputError: it cannot be read, was changed, or has no checksum.
    """
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads((folder / RECORD).read_bytes())
        if isinstance(content, dict) and CHECKSUM not in content:
            if older:
                return content
            hint = "Continue it with the version of medsynth that it names, or start another run with another --out."
            raise InputError(f"{folder / RECORD} has no checksum, as in runs of earlier versions", hint=hint)
    hint = f"Restore it from a copy, or remove it and continue with --resume: {RECORD} is then begun anew."
    return read_sealed(folder / RECORD, hint=hint)


def refuse_no_run(folder: Path) -> None:
    """Refuse a folder that holds no run; imports nothing heavy.

    Raises:
        InputError: with what to name instead.
    """
    for name in (PLAN, RECORD):
        if not (folder / name).exists():
            raise InputError(f"{folder} holds no run: {name} is missing", hint=_runs_below(folder))


def _runs_below(folder: Path) -> str:
    """Return what to name instead of a folder that is no run."""
    if not folder.exists():
        return "There is no such folder; name that of a run, or a bundle."
    if runs := sorted(path.parent for path in folder.glob(f"runs/*/*/{PLAN}")):
        return f"It is a study; name its runs, such as {runs[0]}."
    return "Name the folder of a run, or a bundle."


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
