"""DICOM headers: recognizing files, telling series apart, ordering slices, pseudonyms. Pixels are never read."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.data.problems import Problem

SUFFIXES = (".dcm", ".dicom", ".ima")
IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "AccessionNumber",
)
_TAGS = (
    *IDENTIFYING,
    "SeriesInstanceUID",
    "SeriesDescription",
    "InstanceNumber",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "BitsAllocated",
    "RescaleSlope",
    "RescaleIntercept",
    "BurnedInAnnotation",
    "Modality",
    "Rows",
)


@dataclass(frozen=True)
class SeriesHeader:
    """What the header of one DICOM file says."""

    path: Path
    series: str
    description: str
    patient: str
    frames: int
    eight_bit: bool
    modality: str
    burned_in: str
    identifying: tuple[str, ...]
    spacing: tuple[float, ...]
    position: tuple[float, float]
    """Sorts the slices of a series: (distance along the slice normal in mm, instance number)."""


def is_dicom(path: Path) -> bool:
    """Tell DICOM files by suffix, or by the preamble where the suffix says nothing."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path) -> SeriesHeader | Problem:
    """Read the header of a DICOM file, or say why it cannot be read."""
    import pydicom

    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        if "Rows" not in data:
            return Problem(f"{path} is a DICOM file without an image")
        return _header(path, data)
    except Exception as error:  # pydicom raises many types on damaged files
        return Problem(f"{path} cannot be read as DICOM: {error}")


def has_pixels(path: Path) -> bool:
    """Tell whether the pixel data of a DICOM file are there up to their end."""
    import pydicom

    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it reports the early end, which is what is asked here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path)
        element = data.get_item("PixelData")
    except Exception:  # pydicom raises many types on damaged files
        return False
    finally:
        logger.setLevel(level)
    if element is None or not element.value:
        return False
    length = getattr(element, "length", 0xFFFFFFFF)
    return length == 0xFFFFFFFF or len(element.value) == length


def _header(path: Path, data: Any) -> SeriesHeader:
    orientation = [float(value) for value in data.get("ImageOrientationPatient") or ()]
    place = [float(value) for value in data.get("ImagePositionPatient") or ()]
    distance = 0.0
    if len(orientation) == 6 and len(place) == 3:
        (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
        normal = (b * f - c * e, c * d - a * f, a * e - b * d)
        distance = sum(x * n for x, n in zip(place, normal, strict=True))
    plain = float(data.get("RescaleSlope") or 1) == 1 and float(data.get("RescaleIntercept") or 0) == 0
    return SeriesHeader(
        path=path,
        series=str(data.get("SeriesInstanceUID", "")),
        description=str(data.get("SeriesDescription", "")),
        patient=str(data.get("PatientID", "") or ""),
        frames=int(data.get("NumberOfFrames") or 1),
        eight_bit=int(data.get("BitsAllocated") or 16) <= 8 and plain,
        modality=str(data.get("Modality", "")),
        burned_in=str(data.get("BurnedInAnnotation", "")),
        identifying=tuple(name for name in IDENTIFYING if str(data.get(name, "") or "").strip()),
        spacing=tuple(float(value) for value in data.get("PixelSpacing") or ()),
        position=(round(distance, 4), float(data.get("InstanceNumber") or 0)),
    )


def pseudonym(patient: str) -> str:
    """Return a stable name that does not show the DICOM PatientID."""
    return "p" + hashlib.sha256(patient.encode()).hexdigest()[:12]


def choose_series(
    folder: Path, headers: Sequence[SeriesHeader], series: str
) -> tuple[list[SeriesHeader], list[Problem]]:
    """Return the files of one series of a folder in the order of their slices.

    A folder with several series needs `series`, a SeriesInstanceUID; the problem lists what there is.
    """
    groups: dict[str, list[SeriesHeader]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    if series in groups:
        groups = {series: groups[series]}
    elif len(groups) > 1:
        listed = "; ".join(
            f"{uid} ({len(group)} files, {group[0].description or 'no description'})"
            for uid, group in sorted(groups.items())
        )
        what = f"does not hold the series {series}, but" if series else "mixes"
        hint = "choose one with --set data.series=UID"
        return [], [Problem(f"{folder} {what} {len(groups)} DICOM series: {listed}", hint)]
    (chosen,) = groups.values()
    return sorted(chosen, key=lambda header: (header.position, header.path.name)), []
