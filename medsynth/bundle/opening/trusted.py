"""Opening a bundle, and trusting it if its user says so."""

from __future__ import annotations

from pathlib import Path

from medsynth.bundle.opening.opened import Opened, Role, open_bundle
from medsynth.bundle.trust.granting import trust_snapshot


def open_trusted(path: Path, role: Role, *, trust: bool) -> Opened:
    """Return the bundle at `path`, with `trust` after trusting it from now on, in exactly this state.

    Raises:
        InputError: there is none, as `open_bundle` says, or it cannot be trusted.
        RunError: the user's data folder cannot be written.
    """
    opened = open_bundle(path, role)
    if trust:
        trust_snapshot(opened.snapshot)
    return opened
