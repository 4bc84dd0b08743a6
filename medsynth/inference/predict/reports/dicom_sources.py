"""What a report says about the images that it speaks of: whose they are, and their identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.inference.inputs.listing import Source
from medsynth.inference.predicted_formats import REPORTS
from medsynth.reading import read_header, recognize
from medsynth.reading.dicom.dicom_tags import Tags
from medsynth.reading.quietness import decoding, quiet

_COPIED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
"""Of the patient and the study: what an archive files a report by, and nothing else of the header."""
_NAMING = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_OPTIONAL = ("IssuerOfPatientID", "StudyDescription")
_SEXES = ("M", "F", "O")
_SHOWN = 3


@dataclass(frozen=True)
class DicomSource:
    """A DICOM image.

    Args:
        data: a data set in UTF-8 with its identifiers, and those of its patient and study.
        frames: number of each frame within the file, from 1, in the order of predictions; empty for a single image.
    """

    data: Any
    frames: tuple[int, ...]

    @property
    def series(self) -> tuple[str, str]:
        """Study and series, which one report is about."""
        return str(self.data.StudyInstanceUID), str(self.data.SeriesInstanceUID)


def find_dicom_sources(sources: Iterable[Source]) -> dict[Path, DicomSource]:
    """Return what is known about each file that can be read.

    Raises:
        InputError: some are no DICOM files, or do not say what a report must name.
    """
    read = [source.path for source in sources if not source.problem]
    others = [path.as_posix() for path in read if recognize(path).kind != "dicom"]
    if others:
        listed = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        hint = f"Give DICOM files only, or leave out --format {REPORTS}."
        raise InputError(f"--format {REPORTS}: {len(others)} of {len(read)} images are not DICOM: {listed}", hint=hint)
    found = {}
    for path in read:
        try:
            header = read_header(path)
        except InputError:
            continue  # which becomes a row of the table
        frames = tuple(one.number + 1 for one in header.slices) if header.count > 1 else ()
        found[path] = DicomSource(_identity(path), frames)
    return found


def _identity(path: Path) -> Any:
    import pydicom
    from pydicom.dataset import Dataset

    with decoding(path):
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=[*_COPIED, *_NAMING])
    tags, data = Tags(header, []), Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    with quiet():
        for name in dict.fromkeys((*_COPIED, *_NAMING)):
            text = _usable(name, tags.text(name))
            if text or name not in _OPTIONAL:
                setattr(data, name, text)
    data.SOPClassUID = data.SOPClassUID or header.file_meta.get("MediaStorageSOPClassUID", "")
    data.SOPInstanceUID = data.SOPInstanceUID or header.file_meta.get("MediaStorageSOPInstanceUID", "")
    missing = [name for name in _NAMING if not data.get(name)]
    if missing:
        hint = f"Complete its header, or leave out --format {REPORTS}."
        raise InputError(f"{path} has no {', '.join(missing)}, which a report must name", hint=hint)
    return data


def _usable(name: str, text: str) -> str:
    """Return a value, or nothing where it breaks the rules of DICOM so that a report with it could not be written."""
    from pydicom.valuerep import DA, TM

    if name == "PatientSex":
        return text if text in _SEXES else ""
    rules = DA if name.endswith("Date") else TM if name.endswith("Time") else None
    try:
        return text if rules is None else str(rules(text) or "")
    except ValueError:
        return ""
