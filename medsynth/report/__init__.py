"""report.html: one self-contained page about a run."""

from medsynth.report.content import GalleryRow, ImportanceRow, ReportContent
from medsynth.report.verdict import Gain, Verdict, gain_over_seeds, verdict
from medsynth.report.writer import write_report

__all__ = [
    "Gain",
    "GalleryRow",
    "ImportanceRow",
    "ReportContent",
    "Verdict",
    "gain_over_seeds",
    "verdict",
    "write_report",
]
