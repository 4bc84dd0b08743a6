"""What commands that execute bundles share about bundles that were not made here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from medsynth.rebuilding import Opened, Role

_GIBIBYTE = 1 << 30

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Trust the bundle from now on, in exactly this state; see medsynth bundle trust."),
]
TimeLimit = Annotated[
    float, typer.Option(metavar="MINUTES", help="A bundle not made here is stopped after this time.", min=0.01)
]
MemoryLimit = Annotated[
    float, typer.Option(metavar="GIB", help="A bundle not made here gets no more memory than this.", min=0.5)
]
MINUTES = 60.0
GIB = 8.0


def guard(bundle: Path, role: Role, *, trust: bool, minutes: float, gib: float) -> Opened:
    """Return the bundle if this process may execute it: a run of this user wrote it, or the process is limited.

    For another bundle, run the same command in a child process with limits, which also judges it, and end with its
    exit code.

    Raises:
        InputError: no bundle, or one that cannot be trusted.
        RunError: the child took too long.
    """
    from medsynth.bundle.admission import is_foreign, trust_snapshot
    from medsynth.confinement import is_confined
    from medsynth.rebuilding import open_bundle

    opened = open_bundle(bundle, role)
    if is_confined():
        return opened
    if trust:
        trust_snapshot(opened.snapshot)
    if is_foreign(opened.copy):
        run_again(sys.argv[1:], minutes=minutes, gib=gib)
    return opened


def run_again(arguments: Sequence[str], *, minutes: float, gib: float) -> NoReturn:
    """Run the medsynth command in a child process with limits and end with its exit code.

    Raises:
        RunError: the child took too long.
    """
    from medsynth.confinement import run_confined

    raise typer.Exit(run_confined(arguments, seconds=minutes * 60, memory=round(gib * _GIBIBYTE)))
