"""Data sets of DICOM files: opening them with or without a preamble, and reading tags that may be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.reading.quietness import decoding, quiet
from medsynth.reading.records import NoImageError

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
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
_WANTED = (
    *IDENTIFYING,
    *("MediaStorageSOPClassUID", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("FrameOfReferenceUID", "SeriesDescription", "Modality", "ImageType", "InstanceNumber", "BurnedInAnnotation"),
    *("EchoTime", "EchoNumbers", "AcquisitionNumber", "TemporalPositionIdentifier", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "PixelAspectRatio"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
    *("PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "ModalityLUTSequence"),
    *(
        "PresentationLUTShape",
        "WindowCenter",
        "WindowWidth",
        "VOILUTFunction",
        "DoseGridScaling",
        "DoseUnits",
        "GridFrameOffsetVector",
    ),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "SliceThickness"),
    *("NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence"),
    *("PerFrameFunctionalGroupsSequence", "DirectoryRecordSequence", "PaletteColorLookupTableUID"),
)
_NO_IMAGES = {
    "SR": "structured reports",
    "KO": "structured reports",
    "PR": "presentation states",
    "RTSTRUCT": "radiotherapy structures",
    "RTPLAN": "radiotherapy plans",
    "RTRECORD": "radiotherapy records",
    "REG": "registrations",
    "SEG": "segmentations",
    "ECG": "waveforms",
    "HD": "waveforms",
    "DOC": "documents",
}
_NO_IMAGE_CLASSES = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentations",
    "1.2.840.10008.5.1.4.1.1.104.1": "documents",
}


def open_dicom(path: Path, *, pixels: bool) -> Any:
    """Return the data set of a DICOM file that holds an image.

    Args:
        path: the file.
        pixels: read everything; else only the tags of a header.

    Raises:
        NoImageError: it is in order, but no image.
        InputError: it cannot be read.
    """
    import pydicom
    from pydicom.dataset import FileMetaDataset

    try:
        with quiet():
            options: dict[str, Any] = {} if pixels else {"stop_before_pixels": True, "specific_tags": list(_WANTED)}
            data = pydicom.dcmread(path, force=True, **options)
            if "TransferSyntaxUID" not in getattr(data, "file_meta", ()):
                data.file_meta = getattr(data, "file_meta", None) or FileMetaDataset()
                data.file_meta.TransferSyntaxUID = _guessed_syntax(data)
    except Exception as error:  # pydicom raises many types on damaged files
        raise InputError(f"{path} cannot be read as DICOM: {error or type(error).__name__}") from error
    with decoding(path):
        _refuse_others(path, data)
    return data


def has_syntax(data: Any) -> bool:
    """Tell whether the file named its transfer syntax, or it had to be guessed."""
    return bool(getattr(data, "preamble", None)) and len(data.file_meta) > 1


def _guessed_syntax(data: Any) -> str:
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = data.original_encoding
    if implicit or implicit is None:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _refuse_others(path: Path, data: Any) -> None:
    kind = str(data.get("SOPClassUID", "") or data.file_meta.get("MediaStorageSOPClassUID", ""))
    modality = str(data.get("Modality", ""))
    reason = _NO_IMAGE_CLASSES.get(kind) or ("DICOMDIR" if "DirectoryRecordSequence" in data else "")
    if not reason and ("Rows" not in data or modality == "SEG"):
        reason = _NO_IMAGES.get(modality, "")
        if not reason and not any(tag.group >= 8 for tag in data.keys()):  # noqa: SIM118 - a data set is no mapping
            raise InputError(f"{path} cannot be read as DICOM: it holds no data set")
        reason = reason or "DICOM files without an image"
    if reason:
        raise NoImageError(f"{path} is a DICOM file without an image ({reason})", reason=reason)


class Tags:
    """Reads tags of a data set; what is there but cannot be used becomes a note.

    Args:
        data: the data set, or an item of a sequence.
        notes: appended to.
    """

    def __init__(self, data: Any, notes: list[str]) -> None:
        self._data, self._notes = data, notes

    def text(self, name: str) -> str:
        """Return a tag as text, empty where it is absent or unreadable."""
        try:
            return str(self._data.get(name, "") or "").strip()
        except Exception:  # pydicom converts on access and raises many types
            return ""

    def numbers(self, name: str, count: int = 1) -> tuple[float, ...]:
        """Return the `count` finite numbers of a tag, or nothing where it is absent, empty or unusable."""
        if name not in self._data:
            return ()
        try:
            value = self._data.get(name)
            if value is None or value == "":
                values: Sequence[Any] = ()
            else:
                values = [value] if isinstance(value, int | float | str) else list(value)
            found = tuple(float(one) for one in values)
        except Exception:  # pydicom converts on access and raises many types
            self._notes.append(f"{name} {self._raw(name)} is no number and is ignored")
            return ()
        if not found:
            return ()
        if len(found) < count or not all(math.isfinite(one) for one in found) or (len(found) > count > 1):
            shown = "\\".join(f"{one:g}" for one in found)
            self._notes.append(f"{name} {shown} is ignored: {count} finite numbers are needed")
            return ()
        return found[:count]

    def number(self, name: str, default: float = 0.0) -> float:
        """Return the first number of a tag."""
        found = self.numbers(name)
        return found[0] if found else default

    def items(self, name: str) -> Sequence[Any]:
        """Return the items of a sequence."""
        value = self._data.get(name)
        return list(value) if value else []

    def _raw(self, name: str) -> str:
        try:
            raw = self._data.get_item(name).value
            if isinstance(raw, bytes):
                return raw.decode("ascii", "replace").strip()
            return raw if isinstance(raw, str) else "\\".join(str(one) for one in raw)
        except Exception:  # only shown
            return ""
