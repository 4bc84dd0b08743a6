"""What an audit says, and how it is collected while a bundle is walked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from medsynth.bundle.audit.rules.sizes import LIMITS


class Verdict(StrEnum):
    """How far a finding, or a whole bundle, may be used."""

    ALLOWED = "allowed"
    TRUST = "needs trust"
    REFUSED = "refused"

    @property
    def rank(self) -> int:
        """0 for allowed, 1 for needs trust, 2 for refused."""
        return list(Verdict).index(self)

    @property
    def exit_code(self) -> int:
        """Exit code of ``medsynth bundle audit``; 2 is wrong use, as everywhere."""
        return {"allowed": 0, "needs trust": 3, "refused": 4}[self.value]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that permits least; allowed if there is none."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.ALLOWED)


@dataclass(frozen=True)
class Finding:
    """One thing in a bundle that is executed, loaded, written or fetched, or that hides something.

    Args:
        verdict: what this finding alone permits.
        kind: what it is, e.g. ``target``, ``expression``, ``pickle``.
        what: the thing itself, shortened and with unprintable characters escaped.
        reason: why it has this verdict; empty if it is allowed.
        file: path inside the bundle, with the members of archives after ``!/``.
        place: key of a config (``run::0``), or a line (``line 3``); empty for a whole file.
    """

    verdict: Verdict
    kind: str
    what: str
    reason: str
    file: str
    place: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the fields as JSON holds them."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """The result: every finding, the allowed ones too, in the order of the files."""

    findings: tuple[Finding, ...]
    files: int

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all findings."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def objections(self) -> list[Finding]:
        """Findings that are not allowed, the worst first."""
        found = [finding for finding in self.findings if finding.verdict is not Verdict.ALLOWED]
        return sorted(found, key=lambda finding: -finding.verdict.rank)

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by kind."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as ``--json`` prints it."""
        return {
            "schema": 1,
            "verdict": self.verdict.value,
            "files": self.files,
            "counts": self.counts,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def shown(value: object, limit: int = 160) -> str:
    """Return text of the bundle for display: shortened, with whatever a terminal would act on or hide escaped."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


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
