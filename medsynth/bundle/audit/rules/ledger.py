"""Collects findings while a bundle is walked."""

from __future__ import annotations

from medsynth.bundle.audit.rules.findings import Finding, Verdict, shown
from medsynth.bundle.audit.rules.sizes import LIMITS


class Ledger:
    """All findings so far; `at` gives a page for one file."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Keep a finding once; beyond the limit one refusal stands for the rest."""
        if len(self.findings) < LIMITS.findings:
            self.findings.append(finding)
        elif len(self.findings) == LIMITS.findings:
            reason = f"more than {LIMITS.findings} findings; the rest was not listed"
            self.findings.append(Finding(Verdict.REFUSED, "size", "findings", reason, finding.file))

    def at(self, file: str) -> Page:
        """Return what writes findings about one file."""
        return Page(self, file)


class Page:
    """Writes findings about one file."""

    def __init__(self, ledger: Ledger, file: str) -> None:
        self.ledger = ledger
        self.file = file

    def inside(self, member: str) -> Page:
        """Return the page of a member of this archive."""
        return Page(self.ledger, f"{self.file}!/{member}")

    def allow(self, kind: str, what: object, place: str = "", reason: str = "") -> None:
        """List something harmless."""
        self.write(Verdict.ALLOWED, kind, what, reason, place)

    def trust(self, kind: str, what: object, reason: str, place: str = "") -> None:
        """List something that only a trusted bundle may do."""
        self.write(Verdict.TRUST, kind, what, reason, place)

    def refuse(self, kind: str, what: object, reason: str, place: str = "") -> None:
        """List something that no bundle needs."""
        self.write(Verdict.REFUSED, kind, what, reason, place)

    def write(self, verdict: Verdict, kind: str, what: object, reason: str, place: str = "") -> None:
        """List something with the verdict given."""
        self.ledger.add(Finding(verdict, kind, shown(what), reason, shown(self.file, 400), shown(place, 400)))
