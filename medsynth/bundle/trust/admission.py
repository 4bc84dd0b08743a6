"""Who may be executed: bundles that are trusted on this machine, and those that the audit finds harmless."""

from __future__ import annotations

from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Audit, Verdict, audit_bundle
from medsynth.bundle.checking.description import describe_bundle
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import MANIFEST, digest_of
from medsynth.bundle.trust.memory import RUN, USER, Trusted, find_trust, remember
from medsynth.bundle.trust.snapshot import Snapshot


def admit(root: Path) -> None:
    """Return if the bundle at `root` may be executed.

    Raises:
        InputError: it is not trusted, and the audit does not allow it without trust.
    """
    if (root / MANIFEST).is_file() and find_trust(digest_of(root)) is not None:
        return
    audit = audit_bundle(root)
    if audit.verdict is not Verdict.ALLOWED:
        raise InputError(f"bundle {root} is not trusted here: {_worst(audit)}", hint=_hint(root, audit))


def is_foreign(root: Path) -> bool:
    """Tell whether the bundle was not made by a run of this user, or was changed since."""
    entry = find_trust(digest_of(root))
    return entry is None or entry.origin != RUN


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
        return _trust(snapshot.folder)


def _trust(root: Path) -> Trusted:
    known = find_trust(digest_of(root)) if (root / MANIFEST).is_file() else None
    if known is not None:
        return known
    deviations = verify_bundle(root).deviations
    if deviations:
        first = deviations[0]
        more = f" and {len(deviations) - 1} more" if len(deviations) > 1 else ""
        hint = f"See all with: medsynth bundle verify {root}"
        raise InputError(f"bundle {root} cannot be trusted: {first.file} {first.problem}{more}", hint=hint)
    audit = audit_bundle(root)
    if audit.verdict is Verdict.REFUSED:
        raise InputError(f"bundle {root} cannot be trusted: {_worst(audit)}", hint=_hint(root, audit))
    return remember(root, describe_bundle(root).name, USER)


def _worst(audit: Audit) -> str:
    finding = audit.objections[0]
    more = f" (and {len(audit.objections) - 1} more)" if len(audit.objections) > 1 else ""
    return f"{finding.file}: {finding.kind} {finding.what}: {finding.reason}{more}"


def _hint(root: Path, audit: Audit) -> str:
    look = f"Look at it with: medsynth bundle audit {root}"
    if audit.verdict is Verdict.REFUSED:
        return f"{look} . What the audit refuses cannot be trusted."
    return f"{look} . If you trust whoever gave it to you, add --trust, or: medsynth bundle trust {root}"
