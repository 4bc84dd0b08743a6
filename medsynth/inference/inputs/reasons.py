"""Why a file cannot be used, for a table that names the file in another column."""

from __future__ import annotations

from pathlib import Path

from medsynth.base.errors import InputError


def reason_of(error: InputError, path: Path) -> str:
    """Return what an error says about `path`, without its name, and what to do."""
    text = error.message.removeprefix(f"{path} ").removeprefix(f"{path}: ")
    return f"{text} ({error.hint})" if error.hint else text
