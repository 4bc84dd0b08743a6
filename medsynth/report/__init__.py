"""report.html: one self-contained page about a run."""

from medsynth.report.content import GalleryRow, ReportContent
from medsynth.report.screening import PREVALENCES, Screening, screening
from medsynth.report.verdict import Verdict, verdict
from medsynth.report.writer import write_report

__all__ = [
    "PREVALENCES",
    "GalleryRow",
    "ReportContent",
    "Screening",
    "Verdict",
    "screening",
    "verdict",
    "write_report",
]
