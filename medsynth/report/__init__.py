"""report.html: one self-contained page about a run."""

from medsynth.report.cases import Case
from medsynth.report.content import GalleryRow, ImportanceRow, ReportContent
from medsynth.report.verdict import RunVerdict, verdict
from medsynth.report.writer import content_verdict, write_report

__all__ = [
    "Case",
    "GalleryRow",
    "ImportanceRow",
    "ReportContent",
    "RunVerdict",
    "content_verdict",
    "verdict",
    "write_report",
]
