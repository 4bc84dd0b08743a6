"""Trusting a bundle from now on: the user's own decision."""

from __future__ import annotations

from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.checking.description import stated_name
from medsynth.bundle.checking.verification import refuse_deviations
from medsynth.bundle.trust.admission import hint_for, worst_of
from medsynth.bundle.trust.memory import USER, Trusted, remember
from medsynth.bundle.trust.snapshot import Snapshot


def trust_bundle(root: Path) -> Trusted:
    """Trust the bundle at `root` from now on, in exactly this state.

    Raises:
        InputError: it is no folder, not intact, or the audit refuses it.
        RunError: the user's data folder cannot be written.
    """
    if not root.is_dir():
        raise InputError(f"{root} cannot be trusted: it is not a folder", hint="Unpack it first.")
    return trust_snapshot(Snapshot(root))


def trust_snapshot(snapshot: Snapshot) -> Trusted:
    """Trust a bundle from now on, in the state of its copy; errors as in `trust_bundle`."""
    with snapshot.errors():
        return snapshot.trusted or _trust(snapshot.folder)


def _trust(root: Path) -> Trusted:
    refuse_deviations(root, f"bundle {root} cannot be trusted")
    audit = audit_bundle(root)
    if audit.verdict is Verdict.REFUSED:
        raise InputError(f"bundle {root} cannot be trusted: {worst_of(audit)}", hint=hint_for(root, audit))
    return remember(root, stated_name(root), USER)
