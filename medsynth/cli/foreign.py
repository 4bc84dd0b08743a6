"""What commands that execute bundles share about bundles that were not made here."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medsynth.bundle.opening.opened import Opened, Role

_GIBIBYTE = 1 << 30
ENTRY = "from medsynth.confinement.confined import enter; enter(); from medsynth.cli import main; main()"
"""What a confined process is started with: it confines itself before it imports anything else."""

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


def guard(
    bundle: Path,
    role: Role,
    *,
    trust: bool,
    minutes: float,
    gib: float,
    folders: Sequence[Path] = (),
    tables: Sequence[Path] = (),
    changes: Collection[str] = (),
) -> Opened:
    """Return the bundle if this process may execute it: a run of this user wrote it, or the process is limited.

    For another bundle, run the same command in a child process with limits, which also judges it, and end with its
    exit code.

    Args:
        bundle: its folder or zip file, or the folder of a run.
        role: the network that is wanted.
        trust: trust it from now on.
        minutes, gib: limits of the child.
        folders, tables: where the command writes, see `medsynth.confinement.running.run_confined`.
        changes: files of the bundle that the command adds or replaces; if it changes no others, trust remains.

    Raises:
        InputError: no bundle, or one that cannot be trusted.
        RunError: the child took too long.
    """
    from medsynth.bundle.format.manifest import MANIFEST
    from medsynth.bundle.opening.opened import open_bundle
    from medsynth.bundle.trust.admission import is_foreign
    from medsynth.bundle.trust.granting import trust_snapshot
    from medsynth.bundle.trust.memory import pass_on_through
    from medsynth.confinement.confined import is_confined

    opened = open_bundle(bundle, role)
    if is_confined():
        return opened
    if trust:
        trust_snapshot(opened.snapshot)
    if not is_foreign(opened.copy):
        return opened
    root, before = opened.root, (opened.copy / MANIFEST).read_bytes()
    del opened  # and with it the copy: the child makes its own
    with pass_on_through(before, root, changes):
        written = [*folders, *([root] if changes else [])]
        code = run_again(minutes=minutes, gib=gib, folders=written, tables=tables)
    raise typer.Exit(code)


def run_again(*, minutes: float, gib: float, folders: Sequence[Path] = (), tables: Sequence[Path] = ()) -> int:
    """Run this medsynth command in a child process with limits; return its exit code.

    Raises:
        RunError: the child took too long.
    """
    from medsynth.confinement.running import run_confined

    memory = round(gib * _GIBIBYTE)
    return run_confined(ENTRY, sys.argv[1:], seconds=minutes * 60, memory=memory, folders=folders, tables=tables)
