"""Problems of the data are collected first and refused together, so that nobody repairs them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsynth.base.errors import InputError

SHOWN = 10
Warned = tuple[str, str]
"""Kind and text of a warning; see `medsynth.flow.folder.runs.Run.warn`."""


@dataclass(frozen=True)
class Problem:
    """Something that makes the data unusable.

    Args:
        message: names the file, row or field and the value.
        hint: what to do next.
    """

    message: str
    hint: str = ""


def problem_of(error: InputError) -> Problem:
    """Return what an error of one file says, to be refused together with others."""
    return Problem(error.message, error.hint)


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one InputError that names the first ten problems and their number; do nothing if there is none."""
    if not problems:
        return
    hints = "\n".join(dict.fromkeys(problem.hint for problem in problems[:SHOWN] if problem.hint))
    if len(problems) == 1:
        raise InputError(problems[0].message, hint=hints)
    lines = [f"{len(problems)} problems with the data:", *(f"- {problem.message}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"- and {len(problems) - SHOWN} more (`medsynth data check` lists all)")
    raise InputError("\n".join(lines), hint=hints)


def some(names: Sequence[str], count: int = 5) -> str:
    """Join the first names for a message and say how many were left out."""
    shown = ", ".join(names[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"
