"""A folder as an attacker would like it to be the working folder: every module that Python might look for is in it."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("medsynth"))
"""The command as users start it."""
_EXECUTED = "executed.txt"


def fill(folder: Path) -> Path:
    """Put modules there that are named after those of Python and of everything installed, and tell when imported."""
    folder.mkdir(parents=True, exist_ok=True)
    told = f"open({str(folder / _EXECUTED)!r}, 'a').write(__name__ + '\\n')\n"
    for name in {*sys.stdlib_module_names, *packages_distributions()}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(told)
    return folder


def executed(folder: Path) -> list[str]:
    """Return which of the modules were imported."""
    path = folder / _EXECUTED
    return path.read_text().splitlines() if path.exists() else []
