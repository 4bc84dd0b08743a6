"""What commands that execute bundles share about bundles that were not made here."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medsynth.bundle.opening.opened import Opened

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


@dataclass(frozen=True, kw_only=True)
class Confines:
    """What a bundle that was not made here may do.

    Args:
        trust: trust it from now on.
        minutes, gib: limits of the child in which it runs.
    """

    trust: bool = False
    minutes: float
    gib: float

    @property
    def seconds(self) -> float:
        """After these the child is stopped."""
        return self.minutes * 60

    @property
    def memory(self) -> int:
        """Bytes that the child gets."""
        return round(self.gib * _GIBIBYTE)


def guard(
    bundle: Path,
    role: str,
    limits: Confines,
    *,
    folders: Sequence[Path] = (),
    tables: Sequence[Path] = (),
    changes: Collection[str] = (),
) -> Opened:
    """Return the bundle if this process may execute it: a run of this user wrote it, or the process is limited.

    For another bundle, run the same command in a child process with limits, which also judges it, and end with its
    exit code.

    Args:
        bundle: its folder or zip file, or the folder of a run.
        role: the network that is wanted: ``classifier`` or ``translator``.
        limits: of the child.
        folders, tables: where the command writes, see `medsynth.confinement.running.run_confined`.
        changes: files of the bundle that the command adds or replaces; if it changes no others, trust remains.

    Raises:
        InputError: no bundle, or one that cannot be trusted.
        RunError: the child took too long.
    """
    from medsynth.bundle.opening.opened import ROLES, open_trusted
    from medsynth.confinement.confined import is_confined

    confined = is_confined()
    opened = open_trusted(bundle, ROLES[role], trust=limits.trust and not confined)
    if confined or not opened.snapshot.is_foreign:
        return opened
    from medsynth.bundle.trust.memory import pass_on_through
    from medsynth.confinement.running import run_confined

    root, before = opened.root, opened.manifest
    del opened  # and with it the copy: the child makes its own
    with pass_on_through(before, root, changes):
        written = [*folders, *([root] if changes else [])]
        code = run_confined(
            ENTRY, sys.argv[1:], seconds=limits.seconds, memory=limits.memory, folders=written, tables=tables
        )
    raise typer.Exit(code)
