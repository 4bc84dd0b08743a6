"""What is said about one part of an expression."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.bundle.audit.rules.findings import Verdict
from medsynth.bundle.audit.rules.targets import Judgement


@dataclass(frozen=True)
class Remark:
    """One part of an expression that has a verdict of its own."""

    what: str
    judgement: Judgement


def trust(what: str, reason: str) -> Remark:
    """Return a remark on something that only a trusted bundle may do."""
    return Remark(what, Judgement(Verdict.TRUST, reason))


def refuse(what: str, reason: str) -> Remark:
    """Return a remark on something that no bundle needs."""
    return Remark(what, Judgement(Verdict.REFUSED, reason))
