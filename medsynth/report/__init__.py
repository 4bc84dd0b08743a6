"""report.html: one self-contained page about a run."""

from medsynth.report.content import GalleryRow, ReportContent
from medsynth.report.verdict import Verdict, verdict
from medsynth.report.writer import write_report

__all__ = [
    "GalleryRow",
    "ReportContent",
    "Verdict",
    "verdict",
    "write_report",
]
