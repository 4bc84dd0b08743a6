"""Who may be executed: bundles that are trusted on this machine, and those that the audit finds harmless."""

from __future__ import annotations

from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Audit, Verdict, audit_bundle
from medsynth.bundle.format.manifest import MANIFEST, digest_of
from medsynth.bundle.trust.memory import find_trust


def admit(root: Path) -> None:
    """Return if the bundle at `root` may be executed.

    Raises:
        InputError: it is not trusted, and the audit does not allow it without trust.
    """
    if (root / MANIFEST).is_file() and find_trust(digest_of(root)) is not None:
        return
    audit = audit_bundle(root)
    if audit.verdict is not Verdict.ALLOWED:
        raise InputError(f"bundle {root} is not trusted here: {worst_of(audit)}", hint=hint_for(root, audit))


def worst_of(audit: Audit) -> str:
    """Return the first objection, and how many more there are."""
    finding = audit.objections[0]
    more = f" (and {len(audit.objections) - 1} more)" if len(audit.objections) > 1 else ""
    return f"{finding.file}: {finding.kind} {finding.what}: {finding.reason}{more}"


def hint_for(root: Path, audit: Audit) -> str:
    """Return what to do about the objections."""
    look = f"Look at it with: medsynth bundle audit {root}"
    if audit.verdict is Verdict.REFUSED:
        return f"{look} . What the audit refuses cannot be trusted."
    return f"{look} . If you trust whoever gave it to you, add --trust, or: medsynth bundle trust {root}"
