"""Says what a bundle would execute, without executing any of it."""

from medsynth.bundle.audit.auditing import audit_bundle
from medsynth.bundle.audit.rules.findings import Audit, Finding, Verdict

__all__ = ["Audit", "Finding", "Verdict", "audit_bundle"]
