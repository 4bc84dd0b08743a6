"""Gathers predictions by series, and writes a report for each: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsynth.base.files import write_bytes
from medsynth.inference.inputs.listing import Source
from medsynth.inference.predict.predicted_rows import PredictedRow
from medsynth.inference.predict.reports.dicom_sources import DicomSource, find_dicom_sources
from medsynth.inference.predict.reports.structured_report import Algorithm, ReportedImage, new_uid, structured_report


@dataclass
class SeriesReports:
    """The reports beside one table. Their files are called by their UIDs, which show no patient.

    Args:
        folder: for the reports.
        algorithm: that predicts.
    """

    folder: Path
    algorithm: Algorithm
    _sources: dict[Path, DicomSource] = field(default_factory=dict, init=False, repr=False)
    _uids: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False)
    _findings: dict[str, list[ReportedImage]] = field(default_factory=dict, init=False, repr=False)

    def prepare(self, sources: Iterable[Source]) -> None:
        """Look at all files before the first is predicted.

        Raises:
            InputError: some cannot have a report.
        """
        self._sources = find_dicom_sources(sources)

    def take(self, row: PredictedRow) -> PredictedRow:
        """Return the row with the name of the report that will speak of it; none where it has no probability."""
        path = Path(row.file if row.index is None else row.file.removesuffix(f"#{row.index}"))
        source = self._sources.get(path)
        if source is None or row.probability is None:
            return row
        uid = self._uids.setdefault(source.series, new_uid())
        self._findings.setdefault(uid, []).append(ReportedImage(source, row))
        return replace(row, report=f"{uid}.dcm")

    def write(self) -> int:
        """Write the reports and return their number; where one fails, those before it are removed.

        Raises:
            RunError: the disk is full.
        """
        written: list[Path] = []
        try:
            for uid, findings in self._findings.items():
                written.append(self.folder / f"{uid}.dcm")
                write_bytes(written[-1], structured_report(uid, self.algorithm, findings))
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        return len(written)
