"""What commands that execute bundles share about bundles that were not made here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from medsynth.cli.shared import F

if TYPE_CHECKING:
    from medsynth.rebuilding import Role

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


def takes_zip(command: F) -> F:
    """Let a command whose argument `bundle` is a folder take a zip file, too."""

    @wraps(command)
    def wrapped(*, bundle: Path, **others: Any) -> Any:
        from medsynth.bundle.unpacking import unpacked

        with unpacked(bundle) as folder:
            return command(bundle=folder, **others)

    return wrapped  # type: ignore[return-value]


def guard(bundle: Path, role: Role, *, trust: bool, minutes: float, gib: float) -> None:
    """Return if this process may execute the bundle: a run of this user wrote it, or the process is limited.

    For another bundle that may be executed, run the same command in a child process with limits and end with its
    exit code.

    Raises:
        InputError: no bundle, or one that may not be executed.
        RunError: the child took too long.
    """
    from medsynth.bundle.admission import admit, is_foreign, trust_bundle
    from medsynth.confinement import is_confined
    from medsynth.rebuilding import open_bundle

    if is_confined():
        return
    root = open_bundle(bundle, role).root
    if trust:
        trust_bundle(root)
    if not is_foreign(root):
        return
    admit(root)
    run_again(sys.argv[1:], minutes=minutes, gib=gib)


def run_again(arguments: Sequence[str], *, minutes: float, gib: float) -> NoReturn:
    """Run the medsynth command in a child process with limits and end with its exit code.

    Raises:
        RunError: the child took too long.
    """
    from medsynth.confinement import run_confined

    raise typer.Exit(run_confined(arguments, seconds=minutes * 60, memory=round(gib * _GIBIBYTE)))
