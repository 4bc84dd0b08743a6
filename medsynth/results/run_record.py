"""The record of a run: run.json."""

from __future__ import annotations

import json
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
